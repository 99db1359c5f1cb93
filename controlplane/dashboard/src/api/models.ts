import { queryOptions } from '@tanstack/react-query';

import { call } from './client';
import type { Download, Fit, ModelInfo, Operation } from './types.gen';

const pathOf = (id: string) => `/api/models/${encodeURIComponent(id)}`;

/** Which hosts are to get a model; of nothing at all it is the one where it fits best. */
export interface Placing {
  hosts?: string[]; // ids; or allHosts alone
  labels?: Record<string, string>;
  count?: number;
}

/** Stands in the place of a host's id for all that there are and will be. */
export const allHosts = 'all';

/** Has hosts get a model, and keep it. */
export function bringModel(id: string, where: Placing): Promise<Download> {
  return call<Download>(`${pathOf(id)}/download`, { method: 'POST', body: where });
}

/** A model of files that are in a storage already. */
export interface ModelImport {
  source: string; // a URL
  name: string;
  description: string;
  quantize: string; // empty leaves the weights as they are
  hosts: readonly string[]; // ids; or allHosts alone; empty is none for now
}

export function importModel(what: ModelImport): Promise<ModelInfo> {
  return call<ModelInfo>('/api/models', { method: 'POST', body: what });
}

/** What hosts can quantise a model to. */
export const quantisations = ['q8_0', 'q4_K_M', 'q4_K_S', 'f16'] as const;

/** How a model is to run; empty is as each host's Ollama has it. */
export interface Running {
  context: string; // tokens of each request
  parallel: string; // requests at a time
  cache: string; // how keys and values are kept
}

/** Whether a model fits on each host. What is free changes all the time, so it is asked for again. */
export const fitQuery = (id: string, { context, parallel, cache }: Running) =>
  queryOptions({
    queryKey: ['fit', id, context, parallel, cache],
    queryFn: ({ signal }) => {
      const query = new URLSearchParams(Object.entries({ context, parallel, cache_type: cache }).filter(([, value]) => value !== ''));
      return call<Fit[]>(`${pathOf(id)}/fit${query.size > 0 ? `?${query}` : ''}`, { signal });
    },
    refetchInterval: fitIntervalMs,
    retry: false,
  });

const fitIntervalMs = 15_000;

/** Has a model go from hosts; of no hosts it is from everywhere, at once or after a day in the trash. */
export function deleteModel(id: string, { hosts = [], purge = false }: { hosts?: string[]; purge?: boolean }): Promise<ModelInfo> {
  const query = new URLSearchParams({ ...(hosts.length > 0 && { hosts: hosts.join(',') }), ...(purge && { purge: 'true' }) });
  return call<ModelInfo>(`${pathOf(id)}${query.size > 0 ? `?${query}` : ''}`, { method: 'DELETE' });
}

/** Takes a deletion back while the files are there. */
export function restoreModel(id: string): Promise<ModelInfo> {
  return call<ModelInfo>(`${pathOf(id)}/restore`, { method: 'POST', body: {} });
}

/** What people say of a model. What is left out stays as it is. */
export interface ModelPatch {
  description?: string;
  labels?: Record<string, string>; // replace all that there were
  pinned?: boolean;
  aliases?: string[]; // replace all that there were
  move_aliases?: boolean; // those of other models become this one's
}

export function changeModel(id: string, patch: ModelPatch): Promise<ModelInfo> {
  return call<ModelInfo>(pathOf(id), { method: 'PATCH', body: patch });
}

/** What takes a while, the latest first; the live connection keeps it current. */
export const operationsQuery = queryOptions({
  queryKey: ['operations'],
  queryFn: ({ signal }) => call<Operation[]>('/api/operations', { signal }),
});

const operationPath = (id: string) => `/api/operations/${encodeURIComponent(id)}`;

export function cancelOperation(id: string): Promise<Operation> {
  return call<Operation>(`${operationPath(id)}/cancel`, { method: 'POST', body: {} });
}

export function retryOperation(id: string): Promise<Operation> {
  return call<Operation>(`${operationPath(id)}/retry`, { method: 'POST', body: {} });
}
