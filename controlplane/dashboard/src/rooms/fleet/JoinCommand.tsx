import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';

import { messageOf } from '../../api/client';
import { createToken } from '../../api/queries';
import { Button } from '../../ui/Button';
import { CopyButton } from '../../ui/CopyButton';
import { Until } from '../../ui/Until';
import styles from './AddHost.module.css';
import { isLoopback, joinCommand } from './command';

/** The command with which a host joins, and the token in it. */
export function JoinCommand() {
  const [name, setName] = useState('');
  const token = useMutation({ mutationFn: createToken });
  const command = joinCommand(new URL(window.location.origin), token.data?.token, name.trim());
  return (
    <div className={styles.command}>
      <div className={styles.row}>
        <label>
          Its name <input value={name} placeholder="the machine's own" maxLength={63} autoComplete="off" onChange={(event) => setName(event.target.value)} />
        </label>
        <Button kind={token.data ? 'plain' : 'primary'} disabled={token.isPending} onClick={() => token.mutate()}>
          {token.isPending ? 'Making…' : token.data ? 'Make another token' : 'Make a token'}
        </Button>
      </div>
      <pre tabIndex={0} aria-label="Command">
        <code>{command}</code>
      </pre>
      {token.data && (
        <div className={styles.row}>
          <CopyButton text={command} label="Copy the command" />
          <span className="quiet">
            The token is good for one host, is shown this once, and expires <Until at={token.data.expires_at} never="never" />.
          </span>
        </div>
      )}
      {token.isError && (
        <p role="alert" className={styles.problem}>
          {messageOf(token.error)}
        </p>
      )}
      {isLoopback(window.location.hostname) && (
        <p className="quiet">This page was opened by an address that only this machine knows. For another machine, put in one by which it reaches the control plane.</p>
      )}
    </div>
  );
}
