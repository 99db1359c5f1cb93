import { cleanup, fireEvent, screen, waitFor, within } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { sessionQuery } from '../../api/session';
import { filesQuery, pluginQuery, pluginsQuery, storagesQuery } from '../../api/storage';
import type { Plugin, Session, Storage, StoredFile } from '../../api/types.gen';
import { renderRoom } from '../../ui/renderRoom.testing';
import { storageSearch } from './search';
import { StorageRoom } from './Storage';

function storage(name: string, more: Partial<Storage> = {}): Storage {
  return {
    name, plugin: 's3', config: { bucket: 'b', key: '***' }, config_version: 2, status: 'ready', message: '', since: null, checked_at: null,
    origin: 'saved', set_in: '', address: `s3://${name}/`, hosts_read: false, capabilities: [], read_only: false, ...more,
  };
}

const schema = { properties: { bucket: { type: 'string', description: 'its name' }, key: { type: 'string', writeOnly: true } } };

const asked: { method: string; path: string; body: unknown }[] = [];
let answer = new Response('{}');
let listed: StoredFile[] = [];
let there: Storage[] = [];

beforeEach(() => {
  asked.length = 0;
  window.scrollTo = () => undefined;
  vi.stubGlobal('fetch', (path: string, init: RequestInit) => {
    if (init.method === 'GET') {
      const found = path === '/api/storage' ? there : { files: listed, cursor: '', storage: 'a' };
      return Promise.resolve(new Response(JSON.stringify(found)));
    }
    asked.push({ method: init.method ?? '', path, body: typeof init.body === 'string' ? JSON.parse(init.body) : init.body });
    return Promise.resolve(answer.clone());
  });
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

function open(storages: Storage[], { address = '/storage', role = 'operator', files = [] as StoredFile[] } = {}) {
  listed = files;
  there = storages;
  return renderRoom({ path: '/storage', component: StorageRoom, validateSearch: storageSearch }, address, (queries) => {
    queries.setQueryData(storagesQuery.queryKey, storages);
    queries.setQueryData(pluginsQuery.queryKey, [{ kind: 'storage', name: 's3' } as Plugin]);
    for (const version of [undefined, 2]) {
      queries.setQueryData(pluginQuery('s3', version).queryKey, { name: 's3', config_version: 3, config_schema: schema, secrets: ['key'] });
    }
    queries.setQueryData(filesQuery('a', '').queryKey, { pages: [{ files, cursor: '', storage: 'a' }], pageParams: [''] });
    queries.setQueryData(sessionQuery.queryKey, { role } as Session);
  });
}

/** Sends the form that is open. */
function save(): void {
  const form = document.querySelector('dialog form');
  if (form) fireEvent.submit(form);
}

describe('the storages', () => {
  it('are shown with what is wrong with them', async () => {
    open([storage('a'), storage('b', { status: 'degraded', message: 'the bucket is away' }), storage('c', { origin: 'file', set_in: 'corral.yaml:7' })]);
    const rows = within(await screen.findByRole('table', { name: 'Storages' })).getAllByRole('row').slice(1);
    expect(rows.map((row) => row.textContent)).toEqual([
      'a●readys3s3://a/ChangeRemove',
      'b▲degradedthe bucket is aways3s3://b/ChangeRemove',
      'c●readys3s3://c/Set in corral.yaml:7',
    ]);
  });

  it('can’t be changed by who may only look', async () => {
    open([storage('a')], { role: 'viewer', address: '/storage?name=a', files: [{ path: 'f', size: 1, modified: '', storage: 'a', url: 's3://a/f' }] });
    await screen.findByRole('table', { name: 'Files' });
    expect(screen.queryAllByRole('button')).toEqual([]);
  });

  it('are added by the form of their plugin, with what is wrong beside the fields', async () => {
    answer = new Response(JSON.stringify({ error: 'config.bucket: is empty', code: 'invalid', fields: [{ field: 'config.bucket', message: 'is empty' }, { field: 'config', message: 'no such region' }] }), { status: 400 });
    open([]);
    fireEvent.click(await screen.findByRole('button', { name: 'Add a storage' }));
    fireEvent.change(screen.getByLabelText('Name'), { target: { value: 'x' } });
    fireEvent.change(screen.getByLabelText('Plugin'), { target: { value: 's3' } });
    fireEvent.change(await screen.findByLabelText('key'), { target: { value: 'secret' } });
    save();
    await screen.findByText('no such region');
    expect(asked).toEqual([{ method: 'POST', path: '/api/storage', body: { name: 'x', plugin: 's3', config: { key: 'secret' }, config_version: 3 } }]);
    const bucket = screen.getByLabelText('bucket');
    expect(bucket.getAttribute('aria-invalid')).toBe('true');
    expect(document.getElementById(bucket.getAttribute('aria-describedby') ?? '')?.textContent).toBe('is empty its name');
  });

  it('keep a secret that is not typed anew, and say which version they were shown in', async () => {
    answer = new Response(JSON.stringify(storage('a')));
    open([storage('a')]);
    fireEvent.click(await screen.findByRole('button', { name: 'Change a' }));
    fireEvent.change(await screen.findByLabelText('bucket'), { target: { value: 'c' } });
    save();
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
    expect(asked).toEqual([{ method: 'PUT', path: '/api/storage/a', body: { name: 'a', plugin: 's3', config: { bucket: 'c', key: '***' }, config_version: 2 } }]);
  });
});

describe('the files of a storage', () => {
  const files: StoredFile[] = [
    { path: 'm/', size: 0, modified: '', storage: 'a', url: 's3://a/m/', folder: true },
    { path: 'x y.gguf', size: 2048, modified: '2026-03-01T12:00:00Z', storage: 'a', url: 's3://a/x y.gguf' },
  ];

  it('are folders to open and files to download', async () => {
    open([storage('a')], { address: '/storage?name=a', files });
    const table = await screen.findByRole('table', { name: 'Files' });
    expect(within(table).getAllByRole('link').map((link) => link.getAttribute('href'))).toEqual([
      '/storage?name=a&prefix=m%2F',
      '/api/storage/a/file?path=x+y.gguf',
    ]);
    expect(table.textContent).toContain('2.0 KiB');
  });

  it('are looked at alone where others publish them', async () => {
    open([storage('a', { read_only: true })], { address: '/storage?name=a', files });
    await screen.findByRole('table', { name: 'Files' });
    expect(screen.queryByLabelText('Files to upload')).toBeNull();
    expect(screen.queryByRole('button', { name: 'Delete x y.gguf' })).toBeNull();
  });

  it('are uploaded and deleted', async () => {
    answer = new Response('{}');
    open([storage('a')], { address: '/storage?name=a', files });
    const file = new File(['content'], 'new.gguf');
    fireEvent.change(await screen.findByLabelText('Files to upload'), { target: { files: [file] } });
    await waitFor(() => expect(asked).toEqual([{ method: 'PUT', path: '/api/storage/a/file?path=new.gguf', body: file }]));
    fireEvent.click(await screen.findByRole('button', { name: 'Delete x y.gguf' }));
    answer = new Response(null, { status: 204 });
    fireEvent.click(within(screen.getByRole('dialog')).getByRole('button', { name: 'Delete' }));
    await waitFor(() => expect(asked.at(-1)).toEqual({ method: 'DELETE', path: '/api/storage/a/file?path=x+y.gguf', body: undefined }));
  });
});
