import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';

import { messageOf } from '../../api/client';
import { cancelOperation, operationsQuery, retryOperation } from '../../api/models';
import { may, sessionQuery } from '../../api/session';
import type { Operation } from '../../api/types.gen';
import { Button } from '../../ui/Button';
import form from '../../ui/form.module.css';
import { Meter } from '../../ui/Meter';
import { asSentence } from '../../ui/sentences';
import { Status } from '../../ui/Status';
import { Table } from '../../ui/Table';
import { Ago } from '../../ui/Time';
import { toast } from '../../ui/toasts';
import { bytes, bytesPerSecond, remaining } from '../../ui/units';
import { Until } from '../../ui/Until';
import styles from './Operations.module.css';
import { ended, mayRetry, stateOf, taskOf } from './words';

interface Props {
  caption: string;
  operations: readonly Operation[];
  /** Of which model they are goes without saying. */
  ofOne?: boolean;
}

/** Operations with how far they are. Operators can cancel them and try them again. */
export function OperationTable({ caption, operations, ofOne = false }: Props) {
  const { data: session } = useQuery(sessionQuery);
  const { data: all = operations } = useQuery(operationsQuery);
  const operates = session !== undefined && may(session.role, 'operator');
  return (
    <Table caption={caption} columns={[...(ofOne ? [] : ['Model']), 'What', 'State', 'Progress', 'When']} actions={operates} stacks>
      {operations.map((operation) => (
        <tr key={operation.id}>
          {!ofOne && (
            <td className={styles.of}>
              <Link to="/models/$model" params={{ model: operation.model_id }} className={styles.model}>
                {operation.model}
              </Link>
            </td>
          )}
          <td className={styles.what}>{taskOf(operation)}</td>
          <td>
            <State operation={operation} />
          </td>
          <td>
            <Progress operation={operation} />
          </td>
          <td className={styles.when}>
            <Ago at={operation.ended_at ?? operation.started_at ?? operation.created_at} />
          </td>
          {operates && (
            <td>
              <Actions operation={operation} again={mayRetry(operation, all)} />
            </td>
          )}
        </tr>
      ))}
    </Table>
  );
}

function State({ operation }: { operation: Operation }) {
  const { message = '', error = '', retry_at, state } = operation;
  const said = state === 'done' ? '' : error === '' ? message : error;
  return (
    <>
      <Status {...stateOf(operation)} />
      {said !== '' && <p className={error === '' ? form.message : form.problem}>{asSentence(said)}</p>}
      {retry_at !== undefined && (
        <p className={form.message}>
          Next try <Until at={retry_at} never="never" />
        </p>
      )}
    </>
  );
}

function Progress({ operation }: { operation: Operation }) {
  const { total_bytes: total, done_bytes: done, bytes_per_second: rate = 0, remaining_seconds: left, progress, state } = operation;
  if (ended(operation)) return <span className="number">{total > 0 ? bytes(state === 'done' ? total : done) : ''}</span>;
  return (
    <span className={styles.progress}>
      <Meter label={`Progress of ${taskOf(operation)}`} value={total > 0 ? progress : undefined} warnAt={Infinity} badAt={Infinity} />
      <span className={form.message}>
        {total > 0 && `${bytes(done)} of ${bytes(total)}`}
        {rate > 0 && `, ${bytesPerSecond(rate)}`}
        {left !== undefined && left > 0 && `, ${remaining(left)} left`}
      </span>
    </span>
  );
}

function Actions({ operation, again }: { operation: Operation; again: boolean }) {
  const queries = useQueryClient();
  const act = useMutation({
    mutationFn: (what: 'cancel' | 'retry') => (what === 'cancel' ? cancelOperation : retryOperation)(operation.id),
    onError: (error) => toast(messageOf(error), 'bad'),
    onSettled: () => queries.invalidateQueries({ queryKey: operationsQuery.queryKey }),
  });
  const about = `${taskOf(operation)}, ${operation.model}`;
  return (
    <span className={styles.actions}>
      {again && (
        <Button disabled={act.isPending} aria-label={`Try again: ${about}`} onClick={() => act.mutate('retry')}>
          Try again
        </Button>
      )}
      {!ended(operation) && (
        <Button disabled={act.isPending} aria-label={`Cancel: ${about}`} onClick={() => act.mutate('cancel')}>
          Cancel
        </Button>
      )}
    </span>
  );
}
