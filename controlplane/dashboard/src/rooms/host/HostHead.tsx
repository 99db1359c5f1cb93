import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';

import type { Host } from '../../api/types.gen';
import { hostStates, reachable } from '../../ui/hostStates';
import { asSentence } from '../../ui/sentences';
import { Status } from '../../ui/Status';
import { Ago, Time } from '../../ui/Time';
import { HostFacts } from './HostFacts';
import styles from './HostHead.module.css';
import type { hostTabs } from './search';

interface Props {
  host: Host;
  before?: Host | undefined;
  after?: Host | undefined;
  tab: (typeof hostTabs)[number];
  actions: ReactNode;
}

/** Says which host this is, how it is, and why. */
export function HostHead({ host, before, after, tab, actions }: Props) {
  const { tone, label } = hostStates[host.state];
  return (
    <header className={styles.head}>
      <nav className={styles.way} aria-label="Hosts">
        <Link to="/fleet">Fleet</Link>
        <span className={styles.neighbours}>
          {before && <Neighbour host={before} tab={tab} mark="←" />}
          {after && <Neighbour host={after} tab={tab} mark="→" />}
        </span>
      </nav>
      <div className={styles.title}>
        <h1>{host.name}</h1>
        <Status tone={tone} label={label} />
        {host.draining && <span className={styles.draining}>Draining: it gets no new requests</span>}
        <div className={styles.actions}>{actions}</div>
      </div>
      <p className="quiet">
        <Since host={host} />
      </p>
      {host.problems.length > 0 && (
        <ul className={styles.problems} aria-label="Problems">
          {host.problems.map(({ code, message }) => (
            <li key={code + message}>{asSentence(message)}</li>
          ))}
        </ul>
      )}
      <HostFacts host={host} />
    </header>
  );
}

function Neighbour({ host, tab, mark }: { host: Host; tab: Props['tab']; mark: string }) {
  return (
    <Link to="/hosts/$host" params={{ host: host.name }} search={tab === 'overview' ? {} : { tab }} replace className={styles.neighbour}>
      {mark === '←' && '← '}
      {host.name}
      {mark === '→' && ' →'}
    </Link>
  );
}

/** Why a host is not connected, where its agent said so or it is known otherwise. */
const reasons: Partial<Record<Host['state'], string>> = {
  disconnected: "Its agent's connection broke a moment ago.",
  asleep: 'It went to sleep.',
  stopped: 'Its agent was stopped.',
};

function Since({ host }: { host: Host }) {
  if (reachable(host.state)) {
    if (host.connected_at === undefined) return 'Its agent is connected.';
    return (
      <>
        Connected since <Time at={host.connected_at} /> (<Ago at={host.connected_at} />)
      </>
    );
  }
  if (host.state === 'pending') return 'It has joined, and waits until an operator lets it in.';
  const why = reasons[host.state] ?? 'Its agent does not answer.';
  if (host.seen_at === undefined) return why;
  return (
    <>
      {why} It was last seen <Ago at={host.seen_at} />.
    </>
  );
}
