import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo } from 'react';

import type { GPU, Host, Instance } from '../../api/types.gen';
import { DataTable } from '../../ui/DataTable';
import { instanceStates, reachable } from '../../ui/hostStates';
import { Notice } from '../../ui/Notice';
import { asSentence } from '../../ui/sentences';
import { Status } from '../../ui/Status';
import styles from './HostModels.module.css';
import { modelColumns } from './modelColumns';
import { modelRows } from './modelRows';

/** The models of a host, for each Ollama of its own. */
export function HostModels({ host }: { host: Host }) {
  if (host.instances.length === 0) {
    return (
      <Notice title="No Ollama is known here">
        <p>{reachable(host.state) ? 'The agent has not told of an Ollama yet.' : 'Which models the host has is known while its agent is connected.'}</p>
      </Notice>
    );
  }
  return (
    <div className={styles.instances}>
      {!reachable(host.state) && <p className="quiet">The host is not connected. This is what it last told.</p>}
      {host.instances.map((instance) => (
        <InstanceModels key={instance.name} instance={instance} gpus={host.sample?.gpus ?? none} />
      ))}
    </div>
  );
}

const none: readonly GPU[] = [];

function InstanceModels({ instance, gpus }: { instance: Instance; gpus: readonly GPU[] }) {
  const { sort = 'name' } = useSearch({ from: '/inside/hosts/$host' });
  const navigate = useNavigate({ from: '/hosts/$host' });
  const rows = useMemo(() => modelRows(instance, gpus), [instance, gpus]);
  const { tone, label } = instanceStates[instance.state];
  const heading = `models-${instance.name}`;
  return (
    <section className={styles.instance} aria-labelledby={heading}>
      <div className={styles.head}>
        <h2 id={heading}>
          Ollama “{instance.name}” {instance.version}
        </h2>
        <Status tone={tone} label={label} />
        <span className="quiet">{modes[instance.mode] ?? instance.mode}</span>
      </div>
      {instance.message && <p>{asSentence(instance.message)}</p>}
      {instance.restart_count > 0 && (
        <p className="quiet">
          Restarted {instance.restart_count} {instance.restart_count === 1 ? 'time' : 'times'} by its agent.
        </p>
      )}
      {!instance.models_known && <p>Which models it has is not known yet.</p>}
      {instance.models_known && rows.length === 0 && <p>It has no models. On the host, “ollama pull” brings one.</p>}
      {rows.length > 0 && (
        <DataTable
          caption={`Models of Ollama ${instance.name}`}
          columns={modelColumns}
          data={rows}
          rowId={(row) => row.id}
          sort={sort}
          onSort={(next) => void navigate({ search: (search) => ({ ...search, sort: next }), replace: true })}
        />
      )}
    </section>
  );
}

const modes: Record<string, string> = {
  attached: 'runs by itself, and is watched',
  managed: 'runs under the agent',
  systemd: 'runs as a service of the system',
};
