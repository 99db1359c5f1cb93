import { Link } from '@tanstack/react-router';
import { memo } from 'react';

import { Status } from '../../ui/Status';
import styles from './Models.module.css';
import { modelStates } from './modelStates';
import type { Holder, ModelRow } from './rows';

/** How many hosts a row names; the others are on the model's page. */
const shownHosts = 3;

/** A model's name, which leads to its page. */
export const Name = memo(function Name({ id, name }: { id: string; name: string }) {
  return (
    <Link to="/models/$model" params={{ model: id }} className={styles.name} title={name} data-opens="" preload={false}>
      {name}
    </Link>
  );
});

export const State = memo(function State({ loadedOn, status, progress, conflict, digests }: Pick<ModelRow, 'loadedOn' | 'status' | 'progress' | 'conflict' | 'digests'>) {
  const { tone, label } = modelStates[status];
  return (
    <span className={styles.states}>
      {status === 'loaded' && loadedOn > 0 ? <Status tone="good" label={`In memory on ${loadedOn}`} /> : <Status tone={tone} label={label} />}
      {progress !== null && <span className={styles.more}>{progress} % under way</span>}
      {conflict && <Status tone="warn" label={`${digests} versions`} />}
    </span>
  );
});

/** The hosts that have a model, those with it in memory first. */
export const Hosts = memo(function Hosts({ id, holders }: { id: string; holders: Holder[] }) {
  const more = holders.length - shownHosts;
  return (
    <span className={styles.hosts}>
      {holders.slice(0, shownHosts).map((holder) => (
        <HostChip key={holder.id} holder={holder} />
      ))}
      {more > 0 && (
        <Link to="/models/$model" params={{ model: id }} className={styles.chip} aria-label={`${more} more hosts`} preload={false}>
          +{more}
        </Link>
      )}
    </span>
  );
});

function HostChip({ holder: { id, name, loaded } }: { holder: Holder }) {
  return (
    <Link to="/hosts/$host" params={{ host: id }} className={styles.chip} title={loaded ? `${name}: in memory` : `${name}: on disk`} preload={false}>
      <span aria-hidden className={loaded ? styles.loaded : styles.present}>
        {loaded ? '●' : '○'}
      </span>
      <span className={styles.host}>{name}</span>
      <span className="visually-hidden">{loaded ? ', in memory' : ', on disk'}</span>
    </Link>
  );
}

export const ChatLink = memo(function ChatLink({ name }: { name: string }) {
  return (
    <Link to="/chat" search={{ model: name }} className={styles.chat} aria-label={`Chat with ${name}`} preload={false}>
      Chat
    </Link>
  );
});

/** The head of the column of links, which needs no words for who sees it. */
export function ChatHead() {
  return (
    <span className={styles.chatHead}>
      <span className="visually-hidden">Chat</span>
    </span>
  );
}
