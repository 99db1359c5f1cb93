import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo, useState } from 'react';

import { messageOf } from '../../../api/client';
import { defined } from '../../../app/search';
import type { Host } from '../../../api/types.gen';
import { Button } from '../../../ui/Button';
import { Failure } from '../../../ui/Notice';
import { Status } from '../../../ui/Status';
import type { Shown } from './buffer';
import type { Following } from './follow';
import { LogLines } from './LogLines';
import styles from './LogTail.module.css';
import { save } from './save';
import { filtered, useLog } from './useLog';

/** The live end of a log. Scrolling up holds it still. */
export function LogTail({ host, instance }: { host: Host; instance: string }) {
  const { q = '', wrap = false } = useSearch({ from: '/inside/hosts/$host' });
  const navigate = useNavigate({ from: '/hosts/$host' });
  const { shown, following, retry } = useLog(host.id, instance);
  const [held, setHeld] = useState<Shown>(); // what is looked at while it is held still
  const { entries, skipped } = held ?? shown;
  const lines = useMemo(() => filtered(entries, q), [entries, q]);
  const fresh = held === undefined ? 0 : total(shown) - total(held);

  if (following.phase === 'refused') return <Failure error={following.error} onRetry={retry} />;
  return (
    <section className={styles.tail} aria-label={`Log of Ollama ${instance}`}>
      <div className={styles.bar}>
        {host.instances.length > 1 && (
          <label className={styles.field}>
            Ollama{' '}
            <select
              value={instance}
              onChange={(event) => void navigate({ search: (search) => ({ ...search, instance: event.target.value }), replace: true })}
            >
              {host.instances.map(({ name }) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        )}
        <label className={styles.field}>
          Filter{' '}
          <input
            type="search"
            value={q}
            onChange={(event) => void navigate({ search: (search) => defined({ ...search, q: event.target.value || undefined }), replace: true })}
          />
        </label>
        <label className={styles.toggle}>
          <input
            type="checkbox"
            checked={wrap}
            onChange={(event) => void navigate({ search: (search) => defined({ ...search, wrap: event.target.checked || undefined }), replace: true })}
          />
          Wrap lines
        </label>
        <Button disabled={lines.length === 0} onClick={() => save(`${host.name}-${instance}.log`, lines)}>
          Download
        </Button>
        <span className={styles.state}>
          <State following={following} held={held !== undefined} />
        </span>
      </div>
      {skipped > 0 && <p className="quiet number">{skipped.toLocaleString()} older lines were skipped: the last {entries.length.toLocaleString()} are kept.</p>}
      <div className={styles.box}>
        <LogLines lines={lines} wrap={wrap} follow={held === undefined} onHold={() => setHeld((before) => before ?? shown)} onFollow={() => setHeld(undefined)} />
        {held !== undefined && (
          <Button kind="primary" className={styles.jump} onClick={() => setHeld(undefined)}>
            {fresh === 0 ? 'To the end' : `${fresh.toLocaleString()} new ${fresh === 1 ? 'line' : 'lines'}`}
          </Button>
        )}
        {lines.length === 0 && following.phase === 'live' && (
          <p className={styles.empty}>{entries.length === 0 ? 'Nothing has been printed yet.' : 'No line has this text in it.'}</p>
        )}
      </div>
    </section>
  );
}

/** How many entries there have been. */
function total({ entries, skipped }: Shown): number {
  return skipped + entries.length;
}

function State({ following, held }: { following: Following; held: boolean }) {
  if (following.phase === 'connecting') return <Status tone="warn" label="Connecting" />;
  if (following.phase === 'waiting') return <Status tone="warn" label={`Broken off, tried again soon. ${messageOf(following.error)}`} />;
  return held ? <Status tone="idle" label="Held still" /> : <Status tone="good" label="Live" />;
}
