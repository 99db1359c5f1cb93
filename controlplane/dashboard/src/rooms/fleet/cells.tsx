import { memo } from 'react';

import { type HostMetric, useLive } from '../../live/store';
import { HostLink } from '../../ui/HostLink';
import { hostStates, instanceStates, reachable } from '../../ui/hostStates';
import { Meter } from '../../ui/Meter';
import { asSentence } from '../../ui/sentences';
import { Status } from '../../ui/Status';
import { Ago } from '../../ui/Time';
import { bytesPerSecond, unknown } from '../../ui/units';
import styles from './cells.module.css';
import type { FleetHost } from './fleetHosts';
import { modelCounts } from './match';

interface OfHost {
  host: FleetHost;
}

export const NameCell = memo(function NameCell({ host }: OfHost) {
  return (
    <div className={styles.name}>
      <HostLink host={host.name}>
        {host.name}
      </HostLink>
      <span className={styles.small}>
        {Object.entries(host.labels ?? {})
          .map(([key, value]) => `${key}=${value}`)
          .join(' ')}
      </span>
    </div>
  );
});

export const StateCell = memo(function StateCell({ host }: OfHost) {
  const { tone, label } = hostStates[host.state];
  const [first, ...more] = host.problems;
  return (
    <div className={styles.state}>
      <Status tone={tone} label={host.draining ? `${label}, draining` : label} />
      {first && (
        <span className={styles.reason}>
          {asSentence(first.message)}
          {more.length > 0 && ` And ${more.length} more.`}
        </span>
      )}
      <span className={styles.small}>
        <Since host={host} />
      </span>
    </div>
  );
});

function Since({ host: { state, connected_at, seen_at } }: OfHost) {
  if (reachable(state)) return connected_at === undefined ? null : <>connected <Ago at={connected_at} /></>;
  return seen_at === undefined ? null : <>last seen <Ago at={seen_at} /></>;
}

export const OllamaCell = memo(function OllamaCell({ host }: OfHost) {
  if (!reachable(host.state) || host.instances.length === 0) return unknown;
  return (
    <ul>
      {host.instances.map(({ name, version, state }) => {
        const { tone, label } = instanceStates[state];
        const which = host.instances.length > 1 ? `${name} ` : '';
        return (
          <li key={name}>
            <Status tone={tone} label={`${which}${version ?? unknown} ${label.toLowerCase()}`} />
          </li>
        );
      })}
    </ul>
  );
});

export const ModelsCell = memo(function ModelsCell({ host }: OfHost) {
  const counts = modelCounts(host);
  if (counts === undefined || !reachable(host.state)) return unknown;
  return (
    <span className={`${styles.line} number`}>
      {counts.loaded} loaded <span className="quiet">of {counts.present}</span>
    </span>
  );
});

/** A measurement of a host, rounded as it is shown: a cell is painted anew only when that changes. */
function useShown<T extends number | string>(id: string, pick: (metric: HostMetric) => T | undefined): T | undefined {
  return useLive(({ hosts }) => {
    const metric = hosts.get(id);
    return metric === undefined ? undefined : pick(metric);
  });
}

export const CpuCell = memo(function CpuCell({ id }: { id: string }) {
  return <Meter label="CPU" value={useShown(id, ({ cpu_percent }) => (cpu_percent === undefined ? undefined : Math.round(cpu_percent)))} />;
});

export const MemoryCell = memo(function MemoryCell({ id }: { id: string }) {
  const share = useShown(id, ({ memory_used_bytes: used, memory_total_bytes: total }) =>
    used === undefined || total === undefined || total === 0 ? undefined : Math.round((used / total) * 100),
  );
  return <Meter label="Memory" value={share} />;
});

export const NetworkCell = memo(function NetworkCell({ id }: { id: string }) {
  const rate = (value: number | undefined) => (value === undefined ? unknown : bytesPerSecond(value));
  const received = useShown(id, (metric) => rate(metric.received_bytes_per_second)) ?? unknown;
  const sent = useShown(id, (metric) => rate(metric.sent_bytes_per_second)) ?? unknown;
  return (
    <span className={`${styles.rates} number`}>
      <span>
        <span aria-label="in">↓</span> {received}
      </span>
      <span>
        <span aria-label="out">↑</span> {sent}
      </span>
    </span>
  );
});

export const RequestsCell = memo(function RequestsCell({ id }: { id: string }) {
  return <span className="number">{useShown(id, ({ in_flight }) => in_flight) ?? unknown}</span>;
});
