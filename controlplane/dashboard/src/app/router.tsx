import type { QueryClient } from '@tanstack/react-query';
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Link,
  Outlet,
  redirect,
} from '@tanstack/react-router';

import { isSignedOut } from '../api/client';
import { sessionQuery } from '../api/session';
import { chatSearch } from '../rooms/chat/search';
import { fleetSearch } from '../rooms/fleet/search';
import { hostSearch } from '../rooms/host/search';
import { Login } from '../rooms/login/Login';
import { loginSearch } from '../rooms/login/search';
import { modelsSearch } from '../rooms/models/search';
import { operationsSearch } from '../rooms/operations/search';
import { storageSearch } from '../rooms/storage/search';
import { Failure, Loading, Notice } from '../ui/Notice';
import { Shell } from './Shell';

interface Context {
  queries: QueryClient;
}

const root = createRootRouteWithContext<Context>()({
  component: Outlet,
  notFoundComponent: () => (
    <Notice title="There is no such page" tone="warn">
      <p>
        <Link to="/fleet">To the fleet</Link>
      </p>
    </Notice>
  ),
});

const loginRoute = createRoute({
  getParentRoute: () => root,
  path: '/login',
  validateSearch: loginSearch,
  component: Login,
});

// Everything below is for who is signed in. A control plane that can't be reached
// is no reason to ask for a key.
const inside = createRoute({
  getParentRoute: () => root,
  id: 'inside',
  component: Shell,
  errorComponent: ({ error, reset }) => <Failure error={error} onRetry={reset} />,
  beforeLoad: async ({ context: { queries }, location }) => {
    try {
      await queries.query({ ...sessionQuery, staleTime: 'static' });
    } catch (error) {
      if (isSignedOut(error)) throw redirect({ to: '/login', search: { to: location.href } });
    }
  },
});

const home = createRoute({
  getParentRoute: () => inside,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/fleet', replace: true });
  },
});

const fleet = createRoute({
  getParentRoute: () => inside,
  path: '/fleet',
  validateSearch: fleetSearch,
  component: lazyRouteComponent(() => import('../rooms/fleet/Fleet'), 'Fleet'),
});

const host = createRoute({
  getParentRoute: () => inside,
  path: '/hosts/$host',
  validateSearch: hostSearch,
  component: lazyRouteComponent(() => import('../rooms/host/HostRoom'), 'HostRoom'),
});

const models = createRoute({
  getParentRoute: () => inside,
  path: '/models',
  validateSearch: modelsSearch,
  component: lazyRouteComponent(() => import('../rooms/models/Models'), 'Models'),
});

const model = createRoute({
  getParentRoute: () => inside,
  path: '/models/$model',
  component: lazyRouteComponent(() => import('../rooms/models/ModelRoom'), 'ModelRoom'),
});

const operations = createRoute({
  getParentRoute: () => inside,
  path: '/operations',
  validateSearch: operationsSearch,
  component: lazyRouteComponent(() => import('../rooms/operations/Operations'), 'Operations'),
});

const storage = createRoute({
  getParentRoute: () => inside,
  path: '/storage',
  validateSearch: storageSearch,
  component: lazyRouteComponent(() => import('../rooms/storage/Storage'), 'StorageRoom'),
});

const chat = createRoute({
  getParentRoute: () => inside,
  path: '/chat',
  validateSearch: chatSearch,
  component: lazyRouteComponent(() => import('../rooms/chat/Chat'), 'Chat'),
});

const tree = root.addChildren([loginRoute, inside.addChildren([home, fleet, host, models, model, operations, storage, chat])]);

/** Which page is shown at which address. */
export function newRouter(queries: QueryClient) {
  return createRouter({
    routeTree: tree,
    context: { queries },
    defaultPreload: 'intent',
    defaultPendingMs: 200,
    defaultPendingComponent: Loading,
    defaultErrorComponent: ({ error, reset }) => <Failure error={error} onRetry={reset} />,
    scrollRestoration: true,
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof newRouter>;
  }
}
