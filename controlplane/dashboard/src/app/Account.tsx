import { lazy, Suspense, useState } from 'react';

import type { Session } from '../api/types.gen';
import styles from './UserMenu.module.css';

const load = () => import('./UserMenu');
const UserMenu = lazy(() => load().then((module) => ({ default: module.UserMenu })));

/** Who is signed in. What the menu is made of is loaded when somebody reaches for it. */
export function Account({ session, onHelp }: { session: Session; onHelp: () => void }) {
  const [wanted, setWanted] = useState(false);
  const button = (
    <button
      type="button"
      className={styles.trigger}
      aria-label={`Account ${session.name}`}
      aria-haspopup="menu"
      onPointerEnter={() => void load()}
      onFocus={() => void load()}
      onClick={() => setWanted(true)}
    >
      {session.name} <span aria-hidden>▾</span>
    </button>
  );
  if (!wanted) return button;
  return (
    <Suspense fallback={button}>
      <UserMenu session={session} onHelp={onHelp} />
    </Suspense>
  );
}
