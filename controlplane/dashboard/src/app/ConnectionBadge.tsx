import { behindAfterMs, useLive } from '../live/store';
import { Button } from '../ui/Button';
import { Status } from '../ui/Status';
import { useNow } from '../ui/Time';
import { duration } from '../ui/units';
import styles from './Shell.module.css';

/** Says whether what the page shows is current, and how old it is when not. */
export function ConnectionBadge() {
  const phase = useLive((live) => live.phase);
  const heardAt = useLive((live) => live.heardAt);
  const now = useNow();
  const age = heardAt === null ? null : now - heardAt;
  const behind = age !== null && age > behindAfterMs ? `, ${duration(Math.floor(age / 1000))} behind` : '';
  if (phase === 'live') return behind ? <Status tone="warn" label={`Slow${behind}`} /> : <Status tone="good" label="Live" />;
  if (phase === 'paused') return <Status tone="idle" label="Paused" />;
  return <Status tone="warn" label={`${phase === 'connecting' ? 'Connecting' : 'Reconnecting'}${behind}`} />;
}

/** Says over the whole page that the server is gone, when it has been for a moment. */
export function OfflineBanner() {
  const phase = useLive((live) => live.phase);
  const heardAt = useLive((live) => live.heardAt);
  const retryAt = useLive((live) => live.retryAt);
  const retryNow = useLive((live) => live.retryNow);
  const now = useNow();
  const gone = phase === 'waiting' || phase === 'connecting';
  if (!gone || (heardAt !== null && now - heardAt < behindAfterMs) || (heardAt === null && phase === 'connecting')) return null;
  const wait = retryAt === null ? 0 : Math.ceil((retryAt - now) / 1000);
  return (
    <div className={styles.offline} role="status">
      <span>
        The control plane cannot be reached.{' '}
        {heardAt === null ? 'Nothing has come from it yet.' : `What you see is ${duration(Math.floor((now - heardAt) / 1000))} old.`}{' '}
        {wait > 0 ? `Next try in ${wait} s.` : 'Trying…'}
      </span>
      <Button onClick={retryNow}>Try now</Button>
    </div>
  );
}
