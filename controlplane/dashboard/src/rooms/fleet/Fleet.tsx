import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo, useState } from 'react';

import { may, sessionQuery } from '../../api/session';
import { defined } from '../../app/search';
import { Button } from '../../ui/Button';
import { Failure, Loading, Notice } from '../../ui/Notice';
import { Stale } from '../../ui/Stale';
import { AddHost } from './AddHost';
import { Filters } from './Filters';
import styles from './Fleet.module.css';
import { useFleetHosts } from './fleetHosts';
import { GpuGrid } from './gpus/GpuGrid';
import { HostTable } from './HostTable';
import { matches } from './match';
import { Problems } from './Problems';
import { Totals } from './Totals';

/** All hosts at a glance. */
export function Fleet() {
  const { q = '', state, add = false } = useSearch({ from: '/inside/fleet' });
  const navigate = useNavigate({ from: '/fleet' });
  const hosts = useFleetHosts();
  const session = useQuery(sessionQuery);
  const [welcome, setWelcome] = useState(false); // begins with an empty fleet, and stays when the first host has come
  const all = hosts.data;
  const found = useMemo(() => all?.filter((host) => matches(host, q, state)) ?? [], [all, q, state]);

  if (hosts.isPending) return <Loading label="Loading the fleet" />;
  if (all === undefined) return <Failure error={hosts.error} onRetry={() => void hosts.refetch()} />;
  if (all.length === 0 && !welcome) setWelcome(true);

  const adding = (shown: boolean) => {
    setWelcome(false);
    void navigate({ search: (search) => defined({ ...search, add: shown || undefined }), replace: true });
  };
  const operator = session.data !== undefined && may(session.data.role, 'operator');
  return (
    <div className={styles.fleet}>
      <div className={styles.head}>
        <h1>Fleet</h1>
        {all.length > 0 && operator && !add && !welcome && <Button onClick={() => adding(true)}>Add a host</Button>}
      </div>
      <Problems />
      {(add || welcome || all.length === 0) && <AddHost hosts={all} mayAdd={operator} onDone={() => adding(false)} />}
      {all.length > 0 && (
        <>
          <Totals hosts={all} />
          <Filters found={found.length} of={all.length} />
          <Stale>
            <div className={styles.hosts}>
              <GpuGrid hosts={found} />
              {found.length > 0 ? (
                <HostTable hosts={found} />
              ) : (
                <Notice title="No host is like that">
                  <p>Search for other words, or show all hosts.</p>
                  <Button onClick={() => void navigate({ search: (search) => defined({ ...search, q: undefined, state: undefined }), replace: true })}>Show all hosts</Button>
                </Notice>
              )}
            </div>
          </Stale>
        </>
      )}
    </div>
  );
}
