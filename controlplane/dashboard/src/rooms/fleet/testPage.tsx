import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { act, cleanup, configure, render } from '@testing-library/react';
import { vi } from 'vitest';

import type { Host, HostMetrics, Role, Sample } from '../../api/types.gen';
import { newRouter } from '../../app/router';
import { useLive } from '../../live/store';

/** A host as the control plane tells of it. */
export function aHost(name: string, more: Partial<Host> = {}): Host {
  return {
    id: `h_${name}`,
    name,
    joined_at: '2026-01-01T00:00:00Z',
    connected_at: '2026-01-01T00:00:00Z',
    draining: false,
    pending: false,
    facts: {
      hostname: name,
      os: 'linux',
      platform: 'debian 13',
      arch: 'amd64',
      kernel: '6.12',
      boot_id: '',
      machine_id: '',
      agent_version: '1.2.3',
      cpu_model: 'EPYC',
      cpu_cores: 64,
      memory_bytes: 2 ** 40,
    },
    state: 'online',
    problems: [],
    clock_offset_ms: 0,
    sample: null,
    instances: [
      { name: 'default', mode: 'managed', state: 'ready', version: '0.17.4', in_flight: 0, restart_count: 0, models_known: true, models: [], loaded: [] },
    ],
    ...more,
  };
}

/** What a server answers, by method and path; a function is asked each time, an Error refuses. */
type Answers = Record<string, unknown>;

/** What a function of them is asked. */
export interface Asked {
  query: string;
  body: unknown;
  headers: Headers;
}

class SilentSocket {
  static last: SilentSocket | undefined;
  onmessage: ((event: { data: string }) => void) | null = null;
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  constructor() {
    SilentSocket.last = this;
  }
  send(): void {
    // Nobody listens: what the server pushes is pushed by the test.
  }
  close(): void {
    SilentSocket.last = undefined;
  }
}

/** How long something may take to appear, in milliseconds; a machine that has much to do needs a while. */
const patienceMs = 4000;

/** Opens a page of the dashboard, with a server that answers what it is told to. */
export async function openPage(path: string, { role = 'operator', hosts = [], answers = {} }: { role?: Role; hosts?: Host[]; answers?: Answers } = {}) {
  configure({ asyncUtilTimeout: patienceMs });
  const asked: string[] = [];
  const all: Answers = {
    'GET /api/session': { name: 'me', role, anonymous: false, by: 'session', expires_at: null, version: 'test' },
    'GET /api/hosts': hosts,
    'GET /api/system/status': { status: 'ok', version: 'test', uptime_seconds: 1, hosts: {}, models: {}, gpus: {}, storage: [], problems: [] },
    'GET /api/history': { samples: [] as Sample[] },
    ...answers,
  };
  vi.stubGlobal('fetch', (address: string, init?: RequestInit) => {
    const [asks = '', query = ''] = address.split('?');
    const what = `${init?.method ?? 'GET'} ${asks}`;
    asked.push(what);
    const answer = all[what];
    const given: unknown = typeof answer === 'function' ? (answer as (asked: Asked) => unknown)({ query, body: bodyOf(init), headers: new Headers(init?.headers) }) : answer;
    if (given instanceof Error) return Promise.resolve(Response.json({ code: 'unavailable', error: given.message }, { status: 503 }));
    if (given === undefined) return Promise.resolve(Response.json({ code: 'not_found', error: `nobody answers ${what}` }, { status: 404 }));
    return Promise.resolve(given instanceof Response ? given : Response.json(given));
  });
  vi.stubGlobal('WebSocket', SilentSocket);
  useLive.setState(useLive.getInitialState(), true);
  window.history.pushState(null, '', path);
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const router = newRouter(queries);
  render(
    <QueryClientProvider client={queries}>
      <RouterProvider router={router} />
    </QueryClientProvider>,
  );
  await act(() => router.load());
  const push = (type: string, data: unknown) => act(() => SilentSocket.last?.onmessage?.({ data: JSON.stringify({ type, data }) }));
  return {
    asked,
    router,
    /** Pushes what is new, as the control plane does. */
    push,
    /** Pushes the list of the hosts. */
    pushHosts: (list: Host[]) => push('hosts_list', list),
    /** Pushes what hosts measured. */
    pushMetrics: async (list: HostMetrics['hosts']) => {
      push('host_metrics', { at: new Date().toISOString(), sequence: 1, hosts: list });
      await act(() => new Promise((resolve) => requestAnimationFrame(resolve)));
    },
  };
}

function bodyOf(init: RequestInit | undefined): unknown {
  return typeof init?.body === 'string' ? JSON.parse(init.body) : undefined;
}

/** Ends what openPage began. */
export function closePage(): void {
  cleanup();
  vi.unstubAllGlobals();
}
