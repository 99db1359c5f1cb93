import type { ReactNode } from 'react';

import type { Host } from '../../api/types.gen';
import { reachable } from '../../ui/hostStates';
import { useNow } from '../../ui/Time';
import { bytes, duration, unknown } from '../../ui/units';
import styles from './HostHead.module.css';

/** From how much on the clock of a host is worth a word, in milliseconds. */
const notableOffsetMs = 500;

/** What rarely changes on a host. */
export function HostFacts({ host }: { host: Host }) {
  const { facts, labels = {} } = host;
  const offset = host.clock_offset_ms;
  const cpu = [facts.cpu_model, facts.cpu_cores > 0 ? `${facts.cpu_cores} ${facts.cpu_cores === 1 ? 'core' : 'cores'}` : ''];
  return (
    <dl className={styles.facts}>
      {Object.keys(labels).length > 0 && (
        <Fact name="Labels">
          <ul className={styles.labels}>
            {Object.entries(labels).map(([key, value]) => (
              <li key={key} className={styles.label}>
                {key}={value}
              </li>
            ))}
          </ul>
        </Fact>
      )}
      <Fact name="Agent">{facts.agent_version || unknown}</Fact>
      <Fact name="System">{[facts.platform || facts.os, facts.arch].filter(Boolean).join(', ') || unknown}</Fact>
      <Fact name="Kernel">{facts.kernel || unknown}</Fact>
      <Fact name="CPU">{cpu.filter(Boolean).join(', ') || unknown}</Fact>
      <Fact name="Memory">{facts.memory_bytes > 0 ? bytes(facts.memory_bytes) : unknown}</Fact>
      <Fact name="Up for">
        <Uptime host={host} />
      </Fact>
      {facts.peer_address && <Fact name="Models for others at">{facts.peer_address}</Fact>}
      {reachable(host.state) && Math.abs(offset) >= notableOffsetMs && (
        <Fact name="Clock">
          {duration(Math.abs(offset) / 1000)} {offset > 0 ? 'ahead' : 'behind'}
        </Fact>
      )}
    </dl>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Uptime({ host: { state, sample } }: { host: Host }) {
  const now = useNow();
  if (!reachable(state) || sample?.uptime_seconds === undefined) return unknown;
  const sinceSample = Math.max(0, (now - Date.parse(sample.taken_at)) / 1000);
  return duration(Math.floor(sample.uptime_seconds + sinceSample));
}
