import { useQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { useState } from 'react';

import { operationsQuery } from '../../api/models';
import type { Operation } from '../../api/types.gen';
import { Button } from '../../ui/Button';
import { Failure, Loading } from '../../ui/Notice';
import room from '../../ui/room.module.css';
import styles from './Operations.module.css';
import { OperationTable } from './OperationTable';
import { operationFilters } from './search';
import { ended } from './words';

/** How many are shown at first, and how many more each time that somebody asks. */
const step = 50;

const filters: Record<(typeof operationFilters)[number] | 'all', { label: string; has: (one: Operation) => boolean }> = {
  all: { label: 'All', has: () => true },
  going: { label: 'Under way', has: (one) => !ended(one) },
  failed: { label: 'Failed', has: (one) => one.state === 'failed' || (!ended(one) && one.error !== undefined) },
};

/** What takes a while: how far each is, and what became of it. */
export function Operations() {
  const { only = 'all' } = useSearch({ from: '/inside/operations' });
  const operations = useQuery(operationsQuery);
  const [count, setCount] = useState(step);

  if (operations.data === undefined) {
    if (operations.isError) return <Failure error={operations.error} onRetry={() => void operations.refetch()} />;
    return <Loading label="Loading the operations" />;
  }
  const found = operations.data.filter(filters[only].has);
  return (
    <div className={room.room}>
      <div className={room.head}>
        <h1>Operations</h1>
        <nav aria-label="Which operations" className={styles.filters}>
          {(['all', ...operationFilters] as const).map((name) => (
            <Link
              key={name}
              to="/operations"
              search={name === 'all' ? {} : { only: name }}
              replace
              className={styles.filter}
              activeOptions={{ exact: true }}
              activeProps={{ className: styles.chosen, 'aria-current': 'true' }}
            >
              {filters[name].label} {operations.data.filter(filters[name].has).length}
            </Link>
          ))}
        </nav>
      </div>
      {found.length === 0 ? (
        <p className="quiet">{only === 'all' ? 'Nothing has been asked for yet. Uploads of models, and what brings them to hosts, appear here.' : 'None is like that.'}</p>
      ) : (
        <OperationTable caption="Operations" operations={found.slice(0, count)} />
      )}
      {found.length > count && (
        <p>
          <Button onClick={() => setCount(count + step)}>{found.length - count} more</Button>
        </p>
      )}
    </div>
  );
}
