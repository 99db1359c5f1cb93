import type { ReactNode } from 'react';

import { behindAfterMs, useLive } from '../live/store';
import styles from './Stale.module.css';
import { useNow } from './Time';
import { duration } from './units';

/** Greys measurements out and says how old they are, when nothing new has come for a while. */
export function Stale({ children }: { children: ReactNode }) {
  const age = useStaleSeconds();
  return (
    <div className={age === null ? undefined : styles.stale}>
      {age !== null && <p className={styles.age}>These values are {duration(age)} old.</p>}
      {children}
    </div>
  );
}

/** How old what is shown is, in whole seconds; null while it is current. */
function useStaleSeconds(): number | null {
  const heardAt = useLive((live) => live.heardAt);
  const now = useNow();
  if (heardAt === null || now - heardAt < behindAfterMs) return null;
  return Math.floor((now - heardAt) / 1000);
}
