import { useQuery } from '@tanstack/react-query';

import { messageOf } from '../../api/client';
import { statusQuery } from '../../api/queries';
import { Button } from '../../ui/Button';
import { asSentence } from '../../ui/sentences';
import styles from './Fleet.module.css';

/** How often the control plane is asked for its problems, in milliseconds. */
const everyMs = 10_000;

/** How many problems are shown before somebody asks for the rest. */
const first = 4;

/** What is wrong with the whole, in sentences. */
export function Problems() {
  const status = useQuery({ ...statusQuery, refetchInterval: everyMs });
  if (status.data === undefined) {
    if (!status.isError) return null;
    return (
      <p className={styles.problems} role="status">
        The problems of the fleet could not be loaded: {messageOf(status.error)} <Button onClick={() => void status.refetch()}>Try again</Button>
      </p>
    );
  }
  const sentences = [...new Set(status.data.problems.map(asSentence))];
  if (sentences.length === 0) return null;
  return (
    <div className={styles.problems} role="status">
      <List sentences={sentences.slice(0, first)} />
      {sentences.length > first && (
        <details>
          <summary>{sentences.length - first} more</summary>
          <List sentences={sentences.slice(first)} />
        </details>
      )}
    </div>
  );
}

function List({ sentences }: { sentences: string[] }) {
  return (
    <ul>
      {sentences.map((sentence) => (
        <li key={sentence}>{sentence}</li>
      ))}
    </ul>
  );
}
