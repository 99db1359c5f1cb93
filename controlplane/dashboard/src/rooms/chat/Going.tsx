import { useQuery } from '@tanstack/react-query';

import { modelsQuery } from '../../api/queries';
import { useNow } from '../../ui/Time';
import { duration } from '../../ui/units';
import { choiceOf, choicesOf } from './choices';
import { HostLink } from './Facts';
import type { Run } from './runs';
import styles from './Turns.module.css';

/** From when on it is said why no token has come yet, in milliseconds. */
const patienceMs = 2000;

/** Says what an answer that is not there yet waits for. */
export function Going({ run }: { run: Run }) {
  if (!run.begun) return <Waiting run={run} />;
  return (
    <p className={styles.going}>
      Answering
      <On host={run.host} />…
    </p>
  );
}

function Waiting({ run }: { run: Run }) {
  const waited = useNow() - run.askedAt;
  const { data: loaded } = useQuery({ ...modelsQuery, select: (models) => choiceOf(choicesOf(models), run.model)?.loaded });
  if (waited < patienceMs) return <p className={styles.going}>Asking…</p>;
  return (
    <p className={styles.going}>
      {loaded === false ? 'The model is being loaded' : 'Waiting for the first token'}
      <On host={run.host} />, for {duration(Math.floor(waited / 1000))} now…
    </p>
  );
}

function On({ host }: { host: string | undefined }) {
  if (host === undefined) return null;
  return (
    <>
      {' on '}
      <HostLink name={host} />
    </>
  );
}
