import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';

import { hostsQuery } from '../../api/queries';
import type { Answer } from './conversation';
import { figuresOf } from './figures';
import styles from './Turns.module.css';

/** Which model answered, how fast, and on which host. */
export function Facts({ turn }: { turn: Answer }) {
  return (
    <dl className={styles.facts}>
      <div>
        <dt className="visually-hidden">model</dt>
        <dd className={styles.model} title={turn.model}>
          {turn.model}
        </dd>
      </div>
      {figuresOf(turn).map(({ label, value }) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd className="number">{value}</dd>
        </div>
      ))}
      {turn.host !== undefined && (
        <div>
          <dt>on</dt>
          <dd>
            <HostLink name={turn.host} />
          </dd>
        </div>
      )}
    </dl>
  );
}

/** A host by its name, with a link while there is one that bears it. */
export function HostLink({ name }: { name: string }) {
  const { data: id } = useQuery({ ...hostsQuery, select: (hosts) => hosts.find((host) => host.name === name)?.id });
  if (id === undefined) return <>{name}</>;
  return (
    <Link to="/hosts/$host" params={{ host: id }}>
      {name}
    </Link>
  );
}
