import type { ReactNode } from 'react';

import type { GPU, MetricsUpdate } from '../../api/types.gen';
import { type Live, useLive } from '../../live/store';
import { hostStates } from '../../ui/hostStates';
import { Status } from '../../ui/Status';
import { percent, unknown } from '../../ui/units';
import styles from './Fleet.module.css';
import type { FleetHost } from './fleetHosts';
import { fleetStates } from './search';

/** The whole fleet in a few numbers. */
export function Totals({ hosts }: { hosts: readonly FleetHost[] }) {
  return (
    <dl className={styles.totals}>
      <Total name="Hosts">
        {fleetStates.map((state) => {
          const count = hosts.filter((host) => host.state === state).length;
          const { tone, label } = hostStates[state];
          return count > 0 && <Status key={state} tone={tone} label={`${count} ${label.toLowerCase()}`} />;
        })}
      </Total>
      <Total name="Models loaded">
        <Number of={(totals) => totals.active_models} show={whole} />
      </Total>
      <Total name="Requests so far">
        <Number of={(totals) => totals.total_requests} show={whole} />
      </Total>
      <Total name="In flight">
        <InFlight />
      </Total>
      <Total name="CPU">
        <Number of={(totals) => (totals.hosts_reporting > 0 ? totals.cpu_usage : undefined)} show={percent} />
      </Total>
      <Total name="Memory">
        <Number of={(totals) => (totals.hosts_reporting > 0 ? totals.memory_usage : undefined)} show={percent} />
      </Total>
      <Gpus />
    </dl>
  );
}

function Total({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd className="number">{children}</dd>
    </div>
  );
}

const whole = (n: number) => n.toLocaleString();

/** One number of the totals. It is painted anew only when what is shown is another. */
function Number({ of, show }: { of: (totals: MetricsUpdate) => number | undefined; show: (n: number) => string }) {
  return useLive(({ totals }) => {
    const value = totals === null ? undefined : of(totals);
    return value === undefined ? unknown : show(value);
  });
}

function InFlight() {
  return useLive(({ hosts, at }) => (at === null ? unknown : whole([...hosts.values()].reduce((sum, host) => sum + host.in_flight, 0))));
}

/** The GPUs, where there are any. */
function Gpus() {
  const total = useLive((live) => countGpus(live, () => true));
  const unhealthy = useLive((live) => countGpus(live, ({ state }) => state === 'degraded' || state === 'lost'));
  const madeUp = useLive((live) => countGpus(live, ({ source }) => source !== undefined));
  if (total === 0) return null;
  return (
    <Total name="GPUs">
      {whole(total)}
      {unhealthy > 0 && <Status tone="bad" label={`${unhealthy} unhealthy`} />}
      {madeUp > 0 && <Status tone="idle" label={`${madeUp} not real`} />}
    </Total>
  );
}

function countGpus({ hosts }: Live, counts: (gpu: GPU) => boolean): number {
  let sum = 0;
  for (const { gpus } of hosts.values()) for (const gpu of gpus) if (counts(gpu)) sum++;
  return sum;
}
