import { Link } from '@tanstack/react-router';
import { useState } from 'react';

import { Button } from '../../ui/Button';
import { hostStates } from '../../ui/hostStates';
import { Status } from '../../ui/Status';
import styles from './AddHost.module.css';
import type { FleetHost } from './fleetHosts';
import { JoinCommand } from './JoinCommand';

interface Props {
  hosts: readonly FleetHost[];
  mayAdd: boolean;
  onDone: () => void;
}

/** The steps by which a host joins, and those that did so while this was shown. */
export function AddHost({ hosts, mayAdd, onDone }: Props) {
  const [before] = useState(() => new Set(hosts.map(({ id }) => id)));
  const joined = hosts.filter(({ id }) => !before.has(id));
  return (
    <section className={styles.add} aria-labelledby="add-host">
      <h2 id="add-host">{before.size === 0 ? 'No host has joined yet' : 'Add a host'}</h2>
      <ol className={styles.steps}>
        <li>
          <h3>Get the agent</h3>
          <p>
            In Corral's source, <code>make build</code> makes <code>bin/corral-agent</code>: one file that needs nothing else. Copy it to the host.
          </p>
        </li>
        <li>
          <h3>Start it on the host</h3>
          {mayAdd ? <JoinCommand /> : <p>This needs a token, which operators can make. Ask one to add the host, or for a key of that role.</p>}
        </li>
        <li>
          <h3>See it join</h3>
          <div aria-live="polite">
            {joined.length === 0 && <p className="quiet">Waiting for the host…</p>}
            <ul>
              {joined.map(({ id, name, state }) => (
                <li key={id} className={styles.joined}>
                  <Link to="/hosts/$host" params={{ host: name }}>
                    {name}
                  </Link>{' '}
                  has joined: <Status {...hostStates[state]} />
                </li>
              ))}
            </ul>
          </div>
        </li>
      </ol>
      {hosts.length > 0 && <Button onClick={onDone}>Done</Button>}
    </section>
  );
}
