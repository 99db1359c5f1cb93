import { create } from 'zustand';

import type { HostMetrics, MetricsUpdate } from '../api/types.gen';
import type { Phase } from './connection';

export type HostMetric = HostMetrics['hosts'][number];

/** What the live connection last told, apart from the lists that the query cache holds. */
export interface Live {
  phase: Phase;
  /** When the next attempt is made, in milliseconds since the epoch. */
  retryAt: number | null;
  /** When metrics last came, by this browser's clock, in milliseconds since the epoch. */
  heardAt: number | null;
  /** The server's time of the last metrics. */
  at: string | null;
  hosts: ReadonlyMap<string, HostMetric>;
  totals: MetricsUpdate | null;
  /** Has a lost connection made again at once. */
  retryNow: () => void;
}

export const useLive = create<Live>(() => ({
  phase: 'connecting',
  retryAt: null,
  heardAt: null,
  at: null,
  hosts: new Map(),
  totals: null,
  retryNow: () => undefined,
}));

/** The last measurements of a host, undefined while it reports nothing. */
export function useHostMetric(id: string): HostMetric | undefined {
  return useLive((live) => live.hosts.get(id));
}

/** How old the metrics may be before the page says that it is behind, in milliseconds. */
export const behindAfterMs = 3500;
