import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';

import { hostsQuery } from '../../api/queries';
import { useShortcuts } from '../../app/shortcuts';
import { Failure, Loading, Notice } from '../../ui/Notice';
import { Actions } from './Actions';
import { HostHead } from './HostHead';
import { Logs } from './logs/Logs';
import { neighbours } from './neighbours';
import { Overview } from './Overview';
import { HostModels } from './HostModels';
import { HostTabs } from './HostTabs';
import styles from './HostRoom.module.css';

/** One host: what it is, what it does, and what can be done with it. */
export function HostRoom() {
  const { host: ref } = useParams({ from: '/inside/hosts/$host' });
  const { tab = 'overview' } = useSearch({ from: '/inside/hosts/$host' });
  const navigate = useNavigate();
  const hosts = useQuery(hostsQuery);
  const host = hosts.data?.find(({ id }) => id === ref) ?? hosts.data?.find(({ name }) => name === ref);
  const { before, after } = neighbours(hosts.data ?? [], host);
  const go = (to: typeof before) => {
    if (to !== undefined) void navigate({ to: '/hosts/$host', params: { host: to.name }, search: tab === 'overview' ? {} : { tab }, replace: true });
  };
  useShortcuts({ '[': () => go(before), ']': () => go(after) });

  if (hosts.isPending) return <Loading label="Loading the host" />;
  if (hosts.data === undefined) return <Failure error={hosts.error} onRetry={() => void hosts.refetch()} />;
  if (host === undefined) {
    return (
      <Notice title="There is no such host" tone="warn">
        <p>No host has the name or id “{ref}”. It may have been renamed or removed.</p>
        <p>
          <Link to="/fleet">To the fleet</Link>
        </p>
      </Notice>
    );
  }
  return (
    <div className={styles.room}>
      <HostHead host={host} before={before} after={after} tab={tab} actions={<Actions host={host} />} />
      <HostTabs tab={tab} host={ref}>
        {tab === 'overview' && <Overview key={host.id} host={host} />}
        {tab === 'models' && <HostModels host={host} />}
        {tab === 'logs' && <Logs key={host.id} host={host} />}
      </HostTabs>
    </div>
  );
}
