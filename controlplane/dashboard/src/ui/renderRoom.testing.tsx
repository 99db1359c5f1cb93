import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { createMemoryHistory, createRootRoute, createRoute, createRouter, Outlet, RouterProvider } from '@tanstack/react-router';
import { render } from '@testing-library/react';
import type { ReactNode } from 'react';

import type { RawSearch } from '../app/search';

interface Room {
  path: '/models' | '/chat' | '/storage';
  component: () => ReactNode;
  validateSearch: (raw: RawSearch) => object;
}

/** Shows a room at an address, with other rooms as bare as can be. The query client holds what the server said. */
export function renderRoom({ path, component, validateSearch }: Room, address: string, prepare: (queries: QueryClient) => void) {
  const queries = new QueryClient({ defaultOptions: { queries: { staleTime: Infinity, retry: false } } });
  prepare(queries);
  const root = createRootRoute({ component: Outlet });
  const inside = createRoute({ getParentRoute: () => root, id: 'inside', component: Outlet });
  const room = createRoute({ getParentRoute: () => inside, path, component, validateSearch });
  const elsewhere = createRoute({ getParentRoute: () => inside, path: '$', component: () => <h1>Elsewhere</h1> });
  const history = createMemoryHistory({ initialEntries: [address] });
  const router = createRouter({ routeTree: root.addChildren([inside.addChildren([room, elsewhere])]), history });
  const shown = render(
    <QueryClientProvider client={queries}>
      <RouterProvider router={router as never} />
    </QueryClientProvider>,
  );
  return { ...shown, queries, history };
}
