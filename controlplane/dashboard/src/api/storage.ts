import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';

import { call, request } from './client';
import type { FilePage, Plugin, Storage, StoredFile } from './types.gen';

/** How often it is asked how the storages are while somebody looks, in milliseconds. */
const storagesIntervalMs = 3_000;

export const storagesQuery = queryOptions({
  queryKey: ['storages'],
  queryFn: ({ signal }) => call<Storage[]>('/api/storage', { signal }),
  refetchInterval: storagesIntervalMs,
});

export const pluginsQuery = queryOptions({
  queryKey: ['plugins'],
  queryFn: ({ signal }) => call<Plugin[]>('/api/plugins', { signal }),
});

/** What a plugin says of itself, as far as a form is made of it. */
export interface PluginDescription {
  name: string;
  summary?: string;
  config_version?: number; // of config_schema; without one it is 1
  config_schema: unknown; // JSON Schema
  secrets: string[];
}

/** What a plugin says of itself; version is that of a configuration that it is asked for. */
export const pluginQuery = (name: string, version?: number) =>
  queryOptions({
    queryKey: ['plugins', name, version],
    queryFn: ({ signal }) => call<PluginDescription>(`/api/plugins/storage/${encodeURIComponent(name)}`, { signal }),
    enabled: name !== '',
    staleTime: 60_000,
  });

const pathOf = (name: string) => `/api/storage/${encodeURIComponent(name)}`;

/** The files of a storage below a prefix, page by page. */
export const filesQuery = (name: string, prefix: string) =>
  infiniteQueryOptions({
    queryKey: ['files', name, prefix],
    queryFn: ({ pageParam, signal }) =>
      call<FilePage>(`${pathOf(name)}/files?${new URLSearchParams({ prefix, cursor: pageParam })}`, { signal }),
    initialPageParam: '',
    getNextPageParam: (page) => (page.cursor === '' ? undefined : page.cursor),
  });

interface Asked {
  name: string;
  plugin: string;
  config: unknown;
  config_version: number; // that config is of
}

/** Makes a storage, once its service has answered. */
export function createStorage(asked: Asked): Promise<Storage> {
  return call<Storage>('/api/storage', { method: 'POST', body: asked });
}

/** Changes a storage, once its service has answered. */
export function changeStorage(asked: Asked): Promise<Storage> {
  return call<Storage>(pathOf(asked.name), { method: 'PUT', body: asked });
}

/** Forgets a storage. Its files stay where they are. */
export function removeStorage(name: string): Promise<Storage> {
  return call<Storage>(pathOf(name), { method: 'DELETE' });
}

/** Where a file is downloaded from. */
export function fileAddress(storage: string, path: string): string {
  return `${pathOf(storage)}/file?${new URLSearchParams({ path })}`;
}

/** Stores a file. It is there, as a whole, when this has returned. */
export function putFile(storage: string, path: string, file: Blob): Promise<StoredFile> {
  return call<StoredFile>(fileAddress(storage, path), { method: 'PUT', file });
}

export async function deleteFile(storage: string, path: string): Promise<void> {
  await request(fileAddress(storage, path), { method: 'DELETE' });
}
