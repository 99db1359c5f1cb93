import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { may, sessionQuery } from '../../api/session';
import type { Host } from '../../api/types.gen';
import { Button } from '../../ui/Button';
import { reachable } from '../../ui/hostStates';
import styles from './Actions.module.css';
import { DrainDialog } from './DrainDialog';
import { RestartDialog } from './RestartDialog';

/** What an operator can do with a host. Others are told who can. */
export function Actions({ host }: { host: Host }) {
  const session = useQuery(sessionQuery);
  const [open, setOpen] = useState<string>(); // "drain", or "restart" and the instance
  if (session.data === undefined) return null;
  if (!may(session.data.role, 'operator')) {
    return <span className="quiet">Operators can drain this host and restart its Ollama.</span>;
  }
  const close = () => setOpen(undefined);
  const restarted = host.instances.find(({ name }) => open === `restart ${name}`);
  const restartable = reachable(host.state) ? host.instances.filter(({ mode }) => mode !== 'attached') : [];
  const watched = host.instances.length > 0 && host.instances.every(({ mode }) => mode === 'attached');
  return (
    <div className={styles.actions}>
      <Button onClick={() => setOpen('drain')}>{host.draining ? 'Let requests come again' : 'Drain'}</Button>
      {restartable.map(({ name }) => (
        <Button key={name} onClick={() => setOpen(`restart ${name}`)}>
          Restart {host.instances.length > 1 ? `Ollama “${name}”` : 'Ollama'}
        </Button>
      ))}
      {watched && <span className={styles.note}>Its Ollama is only watched: restart it on the host.</span>}
      {open === 'drain' && <DrainDialog host={host} onClose={close} />}
      {restarted && <RestartDialog host={host} instance={restarted} onClose={close} />}
    </div>
  );
}
