import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router';
import { useEffect, useState } from 'react';

import { onSignedOut } from '../api/client';
import { sessionQuery } from '../api/session';
import { feed } from '../live/feed';
import { Toasts } from '../ui/toasts';
import { Account } from './Account';
import { ConnectionBadge, OfflineBanner } from './ConnectionBadge';
import styles from './Shell.module.css';
import { ShortcutSheet } from './ShortcutSheet';
import { focusSearch, useShortcuts } from './shortcuts';

const rooms = [
  { to: '/fleet', label: 'Fleet' },
  { to: '/models', label: 'Models' },
  { to: '/operations', label: 'Operations' },
  { to: '/storage', label: 'Storage' },
  { to: '/chat', label: 'Chat' },
] as const;

/** What surrounds every room, for somebody who is signed in. */
export function Shell() {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [help, setHelp] = useState(false);
  const session = useQuery(sessionQuery);

  const room = useRouterState({ select: ({ location }) => rooms.find(({ to }) => location.pathname.startsWith(to))?.label });

  useEffect(() => feed(queries), [queries]);
  useEffect(() => {
    document.title = room === undefined ? 'Corral' : `${room} · Corral`; // of several tabs each says what it shows
  }, [room]);
  useEffect(
    () =>
      onSignedOut(() => {
        queries.removeQueries({ queryKey: sessionQuery.queryKey });
        const { pathname, search } = window.location;
        void navigate({ to: '/login', search: { to: pathname + search, ended: true } });
      }),
    [queries, navigate],
  );
  useShortcuts({
    '?': () => setHelp(true),
    '/': focusSearch,
    'g f': () => void navigate({ to: '/fleet' }),
    'g m': () => void navigate({ to: '/models' }),
    'g o': () => void navigate({ to: '/operations' }),
    'g s': () => void navigate({ to: '/storage' }),
    'g c': () => void navigate({ to: '/chat' }),
  });

  return (
    <div className={styles.shell}>
      <a className={styles.skip} href="#content">
        Skip to the content
      </a>
      <header className={styles.header}>
        <Link to="/fleet" className={styles.brand}>
          Corral
        </Link>
        <nav aria-label="Rooms" className={styles.nav}>
          {rooms.map(({ to, label }) => (
            <Link key={to} to={to} className={styles.room} activeProps={{ className: styles.here, 'aria-current': 'page' }}>
              {label}
            </Link>
          ))}
        </nav>
        <div className={styles.right}>
          <ConnectionBadge />
          {session.data && <Account session={session.data} onHelp={() => setHelp(true)} />}
        </div>
      </header>
      <OfflineBanner />
      <main id="content" className={styles.main} tabIndex={-1}>
        <Outlet />
      </main>
      <Toasts />
      {help && <ShortcutSheet onClose={() => setHelp(false)} />}
    </div>
  );
}
