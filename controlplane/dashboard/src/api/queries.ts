import { queryOptions } from '@tanstack/react-query';

import { call } from './client';
import type { GPUProcess, Host, HostGPUs, ModelInfo, Sample, SystemStatus, TokenCreated } from './types.gen';

/** Every host; the live connection keeps it current. */
export const hostsQuery = queryOptions({
  queryKey: ['hosts'],
  queryFn: ({ signal }) => call<Host[]>('/api/hosts', { signal }),
});

/** Every model of the fleet; the live connection keeps it current. */
export const modelsQuery = queryOptions({
  queryKey: ['models'],
  queryFn: ({ signal }) => call<ModelInfo[]>('/api/models', { signal }),
});

export const statusQuery = queryOptions({
  queryKey: ['status'],
  queryFn: ({ signal }) => call<SystemStatus>('/api/system/status', { signal }),
});

/** What a host measured between two times. */
export async function history(host: string, from: Date, to: Date, signal?: AbortSignal): Promise<Sample[]> {
  const query = new URLSearchParams({ host, from: from.toISOString(), to: to.toISOString() });
  const answer = await call<{ samples: Sample[] }>(`/api/history?${query}`, { signal });
  return answer.samples;
}

/** How often what is seldom of interest of GPUs is asked for while somebody looks at it, in milliseconds. */
const gpusIntervalMs = 10_000;

/** What a host's GPUs are, beside what is live. */
export const gpusQuery = (id: string) =>
  queryOptions({
    queryKey: ['gpus', id],
    queryFn: ({ signal }) => call<HostGPUs>(`/api/hosts/${encodeURIComponent(id)}/gpus`, { signal }),
    refetchInterval: gpusIntervalMs,
  });

/** Who uses a host's GPUs; for operators. */
export const gpuProcessesQuery = (id: string) =>
  queryOptions({
    queryKey: ['gpus', id, 'processes'],
    queryFn: ({ signal }) => call<GPUProcess[]>(`/api/hosts/${encodeURIComponent(id)}/gpus/processes`, { signal }),
    refetchInterval: gpusIntervalMs,
  });

export function drainHost(id: string, drain: boolean): Promise<Host> {
  return call<Host>(`/api/hosts/${encodeURIComponent(id)}/${drain ? 'drain' : 'undrain'}`, { method: 'POST', body: {} });
}

export function restartInstance(id: string, instance: string): Promise<unknown> {
  return call(`/api/hosts/${encodeURIComponent(id)}/ollama/${encodeURIComponent(instance)}/restart`, {
    method: 'POST',
    body: {},
  });
}

/** Makes a token with which one host joins within the hour. It is shown this once. */
export function createToken(): Promise<TokenCreated> {
  return call<TokenCreated>('/api/tokens', { method: 'POST', body: {} });
}
