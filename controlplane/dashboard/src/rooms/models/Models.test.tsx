import { cleanup, fireEvent, screen, waitFor, within } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { hostsQuery, modelsQuery } from '../../api/queries';
import { type Role, sessionQuery } from '../../api/session';
import { storagesQuery } from '../../api/storage';
import type { Host, ModelInfo, Session } from '../../api/types.gen';
import { renderRoom } from '../../ui/renderRoom.testing';
import { Models } from './Models';
import { modelsSearch } from './search';

const soon = new Date(Date.now() + 245_000).toISOString();

function model(n: number, hosts: number, more: Partial<ModelInfo> = {}): ModelInfo {
  const residencies = Array.from({ length: hosts }, (_, i) => ({
    host_id: `h${i}`,
    host: `host-${i}`,
    instance: 'default',
    digest: more.conflict && i === 0 ? `sha256:${'b'.repeat(64)}` : `sha256:${'a'.repeat(64)}`,
    status: i === 1 ? ('loaded' as const) : ('available' as const),
    size_vram: i === 1 ? 3 * 1024 ** 3 : 0,
    ...(i === 1 && { expires_at: soon }),
  }));
  return {
    id: `m_${n}`,
    name: `model-${n}:latest`,
    digest: `sha256:${'a'.repeat(64)}`,
    size: n * 1024 ** 3,
    status: hosts > 1 ? 'loaded' : 'available',
    progress: null,
    description: null,
    conflict: false,
    digests: [...new Set(residencies.map(({ digest }) => digest))],
    residencies,
    ...more,
  };
}

beforeEach(() => {
  // What grows as the page is scrolled stays as it is here.
  vi.stubGlobal('IntersectionObserver', class { observe() { /* nothing comes near */ } disconnect() { /* nor goes */ } });
  window.scrollTo = () => undefined;
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

function open(models: ModelInfo[], address = '/models', role: Role = 'inference') {
  return renderRoom({ path: '/models', component: Models, validateSearch: modelsSearch }, address, (queries) => {
    queries.setQueryData(modelsQuery.queryKey, models);
    queries.setQueryData(hostsQuery.queryKey, [{ id: 'h0', name: 'host-0', state: 'online' } as Host]);
    queries.setQueryData(storagesQuery.queryKey, []);
    queries.setQueryData(sessionQuery.queryKey, { role } as Session);
  });
}

async function rows(): Promise<HTMLElement[]> {
  const table = await screen.findByRole('table', { name: 'Models' });
  return within(table).getAllByRole('row').slice(1);
}

describe('the list of models', () => {
  it('shows what is known of each, with its hosts folded', async () => {
    open([model(1, 16, { parameter_size: '3.2B' }), model(2, 1)]);
    const [first, second] = (await rows()) as [HTMLElement, HTMLElement];
    expect(first.textContent).toContain('In memory on 1');
    expect(first.textContent).toContain('3.2B–1.0 GiB');
    const links = within(first).getAllByRole('link');
    expect(links.map((link) => link.getAttribute('href'))).toEqual([
      '/models/m_1',
      '/hosts/h1',
      '/hosts/h0',
      '/hosts/h2',
      '/models/m_1',
      '/chat?model=model-1%3Alatest',
    ]);
    expect(links[4]?.textContent).toBe('+13');
    expect(second.textContent).toContain('On disk');
  });

  it('is sorted and searched by its address', async () => {
    const { history } = open([model(1, 1), model(2, 2), model(11, 3)], '/models?sort=-size&q=model-1');
    expect((await rows()).map((row) => row.querySelector('a')?.textContent)).toEqual(['model-11:latest', 'model-1:latest']);
    fireEvent.change(screen.getByRole('searchbox'), { target: { value: 'zzz' } });
    await screen.findByText('No model is like that');
    expect(history.location.search).toContain('q=zzz');
    fireEvent.click(screen.getByRole('button', { name: 'Show all' }));
    await waitFor(async () => expect(await rows()).toHaveLength(3));
    fireEvent.click(screen.getByRole('button', { name: 'Name' }));
    await waitFor(() => expect(history.location.search).not.toContain('sort'));
  });

  it('of 500 with names of 300 characters renders the first, and says how many more there are', async () => {
    const names = Array.from({ length: 500 }, (_, i) => model(i, 9, { name: `${'n'.repeat(290)}-${i}` }));
    open(names);
    expect((await rows()).length).toBe(40);
    expect(screen.getByText('460 more below')).toBeTruthy();
    expect(screen.getByText('500 in all')).toBeTruthy();
    const name = screen.getByRole('link', { name: names[0]?.name ?? '' });
    expect(name.title).toBe(names[0]?.name);
  });

  it('has no way to the chat for who may only look', async () => {
    open([model(1, 1)], '/models', 'viewer');
    await rows();
    expect(screen.queryByRole('link', { name: /Chat/ })).toBeNull();
  });

  it('says how to get a model where there is none', async () => {
    open([]);
    await screen.findByText('No model yet');
    expect(screen.getByText('ollama pull llama3.2')).toBeTruthy();
    expect(screen.queryByText(/^Upload one/)).toBeNull();
  });

  it('says to who may that one can be uploaded where there is none', async () => {
    open([], '/models', 'operator');
    await screen.findByText(/^Upload one, or import one from a storage/);
  });
});

describe('a row', () => {
  it('leads to the page of its model', async () => {
    const { history } = open([model(1, 2)]);
    const [row] = (await rows()) as [HTMLElement];
    fireEvent.click(within(row).getByText(/In memory/));
    await screen.findByRole('heading', { name: 'Elsewhere' });
    expect(history.location.pathname).toBe('/models/m_1');
  });

  it('says that hosts disagree, and how far what goes on is', async () => {
    open([model(1, 3, { conflict: true }), model(2, 0, { status: 'downloading', progress: 40 })]);
    const [first, second] = (await rows()) as [HTMLElement, HTMLElement];
    expect(first.textContent).toContain('2 versions');
    expect(second.textContent).toContain('On its way to a host40 % under way');
    expect(within(second).queryByRole('link', { name: /Chat/ })).toBeNull();
  });
});

describe('an upload', () => {
  it('is for operators', async () => {
    open([model(1, 1)], '/models', 'inference');
    await rows();
    expect(screen.queryByRole('button', { name: 'Upload a model' })).toBeNull();
  });

  it('begins with the files that are dropped anywhere on the page, and takes more of them', async () => {
    open([model(1, 1)], '/models', 'operator');
    await rows();
    const drop = (target: Element, ...files: File[]) => {
      const items = files.map((file) => ({ webkitGetAsEntry: () => ({ isDirectory: false }), getAsFile: () => file }));
      expect(fireEvent.drop(target, { dataTransfer: { types: ['Files'], files, items } })).toBe(false); // the browser would leave the page
    };
    drop(document.body, new File(['yy'], 'b.gguf'));
    drop(await screen.findByRole('textbox', { name: 'Name' }), new File(['x'], 'Tiny Model-00001-of-00002.gguf'));
    await screen.findByText('Tiny Model-00001-of-00002.gguf');
    const dialog = await screen.findByRole('dialog', { name: 'Upload a model' });
    expect(within(dialog).getAllByRole('listitem').map((item) => item.textContent)).toEqual(['Tiny Model-00001-of-00002.gguf1 B×', 'b.gguf2 B×']);
    expect(within(dialog).getByLabelText<HTMLInputElement>('Name').value).toBe('Tiny-Model');
    fireEvent.click(within(dialog).getByRole('button', { name: 'Leave Tiny Model-00001-of-00002.gguf out' }));
    expect(within(dialog).getByLabelText<HTMLInputElement>('Name').value).toBe('b');
  });

  it('takes a folder, and is named after it', async () => {
    open([model(1, 1)], '/models', 'operator');
    await rows();
    fireEvent.click(screen.getByRole('button', { name: 'Upload a model' }));
    const inFolder = (path: string) => Object.defineProperty(new File(['x'], path.replace(/.*\//, '')), 'webkitRelativePath', { value: path });
    const field = screen.getByLabelText('Folder of the model');
    fireEvent.change(field, { target: { files: [inFolder('Tiny 1.5B/sub/config.json')] } });
    expect((await screen.findByRole('alert')).textContent).toMatch(/^Tiny 1.5B has files in its folder sub/);
    fireEvent.change(field, { target: { files: [inFolder('Tiny 1.5B/model.safetensors'), inFolder('Tiny 1.5B/config.json')] } });
    expect(within(screen.getByRole('list', { name: 'Chosen files' })).getAllByRole('listitem').map((item) => item.textContent)).toEqual(['config.json1 B×', 'model.safetensors1 B×']);
    expect(screen.getByLabelText<HTMLInputElement>('Name').value).toBe('Tiny-1.5B');
    expect(screen.queryByRole('alert')).toBeNull();
  });

  it('says what is missing', async () => {
    open([model(1, 1)], '/models', 'operator');
    await rows();
    fireEvent.click(screen.getByRole('button', { name: 'Upload a model' }));
    const send = () => {
      const form = document.querySelector('dialog form');
      if (form) fireEvent.submit(form);
    };
    send();
    expect((await screen.findByRole('alert')).textContent).toBe('Choose a file.');
    fireEvent.change(screen.getByLabelText('Files of the model'), { target: { files: [new File(['x'], 'a.gguf')] } });
    fireEvent.click(screen.getByRole('radio', { name: 'These hosts' }));
    send();
    expect((await screen.findByRole('alert')).textContent).toBe('Choose a host.');
  });
});
