import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { afterEach, describe, expect, it } from 'vitest';

import type { Fit, ModelInfo, Operation, Role } from '../../api/types.gen';
import { aHost, type Asked, closePage, openPage } from '../fleet/testPage';

const digest = 'a'.repeat(64);

function aModel(more: Partial<ModelInfo> = {}): ModelInfo {
  return {
    id: 'm_1',
    name: 'tiny:latest',
    digest,
    size: 2048,
    status: 'available',
    progress: null,
    description: 'says hello',
    conflict: false,
    digests: [digest],
    residencies: [{ host_id: 'h_a', host: 'a', instance: 'default', digest, status: 'available', size_vram: 0 }],
    format: 'gguf',
    family: 'llama',
    parameter_count: 12345,
    context_tokens: 2048,
    capabilities: ['completion', 'tools'],
    license: 'MIT\nand the rest of it',
    notes: ['its template is missing'],
    labels: { team: 'search' },
    wanted_on: ['h_a', 'h_b'],
    files: [{ path: 'tiny.gguf', storage: 'default', key: 'models/tiny.gguf', size: 2048, sha256: 'c'.repeat(64) }],
    ...more,
  };
}

const fetching: Operation = {
  id: 'o_1', kind: 'download', model: 'tiny:latest', model_id: 'm_1', host_id: 'h_b', host: 'b', state: 'running', phase: 'fetching', done_bytes: 512,
  total_bytes: 2048, bytes_per_second: 256, attempts: 1, created_at: '2026-01-01T00:00:00Z', changed_at: '2026-01-01T00:00:00Z', progress: 25, remaining_seconds: 6,
};

const gib = 2 ** 30;

const fitting: Fit = {
  host_id: 'h_a', host: 'a', instance: 'default', verdict: 'fits', reason: 'it needs 5.0 GiB', source: 'measured', context: 4096, parallel: 1, cache_type: 'f16',
  longest_context: 131072, weights: 4 * gib, cache: gib, compute: 0, total: 5 * gib, on_gpus: 5 * gib, in_main_memory: 0, free: 20 * gib, gpus: [],
};
const spilling: Fit = {
  ...fitting, host_id: 'h_b', host: 'b', verdict: 'spills', reason: 'it needs more', source: 'estimated', parallel: 2,
  longest_context: 0, on_gpus: 2 * gib, in_main_memory: 3 * gib, free: 2 * gib,
};
const away: Fit = { ...fitting, host_id: 'h_c', host: 'c', verdict: 'unknown', reason: 'the host is away', source: 'estimated', longest_context: 0, on_gpus: 0, free: 0 };

function open(model: ModelInfo, { role = 'operator', operations = [], answers = {} }: { role?: Role; operations?: Operation[]; answers?: Record<string, unknown> } = {}) {
  return openPage('/models/m_1', {
    role,
    hosts: [aHost('a'), aHost('b')],
    answers: { 'GET /api/models': [model], 'GET /api/operations': operations, 'GET /api/models/m_1/fit': [], ...answers },
  });
}

afterEach(closePage);

function send(): void {
  const form = document.querySelector('dialog form');
  if (form) fireEvent.submit(form);
}

describe('the page of a model', () => {
  it('says what it is, where it is kept, and which hosts are not as they should be', async () => {
    await open(aModel(), { operations: [fetching] });
    await screen.findByRole('heading', { level: 1, name: 'tiny:latest' });
    expect(document.title).toBe('Models · Corral');
    const about = screen.getByRole('region', { name: 'What it is' }).textContent;
    for (const said of ['says hello', 'llama', '12K', '2,048 tokens', 'completion, tools', 'LicenceMIT', 'team=search']) expect(about).toContain(said);
    expect(about).not.toContain('the rest');
    expect(screen.getByText('Its template is missing.')).toBeTruthy();
    const hosts = within(screen.getByRole('table', { name: 'Hosts' }));
    await waitFor(() => expect(hosts.getAllByRole('row').slice(1).map((row) => row.textContent)).toEqual(['a○On diskYesaaaaaaaaaaaa––Remove', 'b○On its way, 25 %Yes–––Remove']));
    expect(screen.getByText('1 of 2 is not as it should be')).toBeTruthy();
    expect(within(screen.getByRole('table', { name: 'Files' })).getAllByRole('link').map((link) => link.getAttribute('href'))).toEqual([
      '/api/storage/default/file?path=models%2Ftiny.gguf',
      '/storage?name=default',
    ]);
    const operation = screen.getByRole('table', { name: 'Operations on this model' }).textContent;
    expect(operation).toContain('Bring to b●Fetching');
    expect(operation).toContain('512 B of 2.0 KiB, 256 B/s, 6 s left');
  });

  it('can only be looked at by viewers', async () => {
    await open(aModel(), { role: 'viewer', operations: [fetching] });
    await screen.findByRole('table', { name: 'Operations on this model' });
    const main = within(screen.getByRole('main'));
    expect(main.getAllByRole('button').map((button) => button.textContent)).toEqual(['Copy digest']);
    expect(main.queryByRole('link', { name: 'Chat' })).toBeNull();
  });

  it('shows versions that hosts disagree about as what they are', async () => {
    const other = 'b'.repeat(64);
    const residencies = [...aModel().residencies, { host_id: 'h_b', host: 'b', instance: 'default', digest: other, status: 'available' as const, size_vram: 0 }];
    await open(aModel({ conflict: true, digests: [digest, other], residencies, wanted_on: [] }));
    const versions = within(await screen.findByRole('region', { name: 'Versions' }));
    expect(versions.getAllByRole('listitem').map((item) => item.textContent)).toEqual(['aaaaaaaaaaaaon acalled by the name alone', 'bbbbbbbbbbbbon bCopy name']);
    expect(screen.getByRole('table', { name: 'Hosts' }).textContent).toContain('It is another version.');
    expect(screen.getByText(/Bringing the model to the hosts again, or/)).toBeTruthy();
  });

  it('says what ends a conflict of versions that only hosts have', async () => {
    await open(aModel({ conflict: true, digests: [digest, 'b'.repeat(64)], files: [], wanted_on: [] }));
    await screen.findByText(/Removing it from the hosts with another version, or uploading it and bringing it to them, ends this/);
    expect(screen.getByText('None are in a storage: only hosts have this model.')).toBeTruthy();
  });

  it('brings it to hosts, and says what the control plane has against that', async () => {
    let refusal: unknown = new Error('there is no host that could get the model');
    const page = await open(aModel(), { answers: { 'POST /api/models/m_1/download': () => refusal } });
    fireEvent.click(await screen.findByRole('button', { name: 'Bring to hosts' }));
    fireEvent.click(screen.getByRole('radio', { name: 'These hosts' }));
    send();
    expect((await screen.findByRole('alert')).textContent).toBe('Choose a host.');
    fireEvent.click(screen.getByRole('checkbox', { name: 'b is to have it already' }));
    send();
    expect(await screen.findByText('There is no host that could get the model.')).toBeTruthy();
    refusal = { ...aModel(), chosen: [{ host_id: 'h_a', host: 'a', operation: null }, { host_id: 'h_b', host: 'b', operation: fetching }] };
    send();
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
    expect(await screen.findByText('tiny:latest is on its way to b.')).toBeTruthy();
    expect(page.asked.filter((what) => what.startsWith('POST'))).toEqual(Array(2).fill('POST /api/models/m_1/download'));
  });

  it('says where it fits, with another context as well, and whether that is known beside each host to choose', async () => {
    const page = await open(aModel({ wanted_on: ['h_a'] }), { answers: { 'GET /api/models/m_1/fit': ({ query }: Asked) => (query === 'context=8192&cache_type=q8_0' ? [fitting] : [away, spilling, fitting]) } });
    const part = within(await screen.findByRole('region', { name: 'Where it fits' }));
    await part.findByText('It fits on 1 of 3 hosts, spills into main memory on 1, not known of 1.');
    const rows = part.getAllByRole('row').slice(1);
    expect(rows.map((row) => row.textContent)).toEqual([
      'a●FitsIt needs 5.0 GiB.5.0 GiBmeasured5.0 GiB0 B20.0 GiB4,096131,072',
      'b▲Spills into main memoryIt needs more.5.0 GiBestimated2.0 GiB3.0 GiB2.0 GiB4,096 × 2–',
      'c○Not knownThe host is away.5.0 GiBestimated–––4,096–',
    ]);
    fireEvent.change(part.getByLabelText('Context, tokens'), { target: { value: '8192' } });
    fireEvent.change(part.getByLabelText('Keys and values'), { target: { value: 'q8_0' } });
    await part.findByText('It fits on 1 of 1 host.');
    fireEvent.click(screen.getByRole('button', { name: 'Bring to hosts' }));
    fireEvent.click(screen.getByRole('radio', { name: 'These hosts' }));
    const hosts = within(screen.getByRole('list', { name: 'Hosts' }));
    await waitFor(() => expect(hosts.getAllByRole('listitem').map((item) => item.textContent)).toEqual(['aFits, is to have it already', 'bSpills into main memory']));
    expect(page.asked.filter((what) => what.startsWith('POST'))).toEqual([]);
  });

  it('says why it is not known where it fits', async () => {
    await open(aModel(), { answers: { 'GET /api/models/m_1/fit': new Error('how much memory it takes is not known') } });
    await screen.findByText('How much memory it takes is not known.');
  });

  it('is called by other names, too', async () => {
    let patched: unknown;
    await open(aModel({ aliases: ['prod:latest'] }), {
      answers: {
        'PATCH /api/models/m_1': ({ body }: Asked) => {
          patched = body;
          return aModel({ aliases: ['stage:latest'] });
        },
      },
    });
    expect((await screen.findByRole('region', { name: 'What it is' })).textContent).toContain('Also calledprod:latest');
    fireEvent.click(screen.getByRole('button', { name: 'Describe' }));
    fireEvent.change(screen.getByLabelText('Aliases'), { target: { value: 'stage, ' } });
    fireEvent.click(screen.getByRole('checkbox', { name: 'Take them from other models that have them as aliases' }));
    send();
    await waitFor(() => expect(screen.getByRole('region', { name: 'What it is' }).textContent).toContain('Also calledstage:latest'));
    expect(patched).toMatchObject({ aliases: ['stage'], move_aliases: true });
  });

  it('is deleted, stands in the trash, and is restored', async () => {
    const deleted = aModel({ status: 'deleting', deleted_at: new Date().toISOString(), purge_at: new Date(Date.now() + 86_000_000).toISOString(), wanted_on: [] });
    await open(aModel(), { answers: { 'DELETE /api/models/m_1': deleted, 'POST /api/models/m_1/restore': aModel() } });
    fireEvent.click(await screen.findByRole('button', { name: 'Delete' }));
    send();
    const trash = await screen.findByRole('heading', { name: 'This model is deleted' });
    expect(trash.parentElement?.textContent).toContain('Its files go in 23 h');
    expect(screen.queryByRole('button', { name: 'Bring to hosts' })).toBeNull();
    fireEvent.click(screen.getByRole('button', { name: 'Restore' }));
    await screen.findByRole('button', { name: 'Bring to hosts' });
  });

  it('says of what can’t be used why, and nothing that holds for other models alone', async () => {
    const failed = aModel({ status: 'failed', size: 0, files: [], residencies: [], wanted_on: [], digest: '', digests: [], problems: ['tiny.gguf: the file is not a GGUF'] });
    await open(failed);
    await screen.findByText('tiny.gguf: the file is not a GGUF.');
    expect(screen.getByText('None are kept: what came can’t be used.')).toBeTruthy();
    expect(screen.getByRole('region', { name: 'What it is' }).textContent).toContain('Size–');
    fireEvent.click(screen.getByRole('button', { name: 'Delete' }));
    const dialog = within(screen.getByRole('dialog'));
    dialog.getByText('It goes from the catalogue, with what has come of it.');
    expect(dialog.queryAllByRole('radio')).toEqual([]);
  });

  it('says when the model is not there', async () => {
    await openPage('/models/m_9', { answers: { 'GET /api/models': [aModel()], 'GET /api/operations': [] } });
    await screen.findByRole('heading', { name: 'This model is not there' });
  });
});

describe('the operations', () => {
  const failed: Operation = { ...fetching, id: 'o_2', host_id: 'h_c', host: 'c', state: 'failed', error: 'the disk of c is full', progress: 40 };

  it('say what became of them, and can be tried again and cancelled', async () => {
    const page = await openPage('/operations', {
      answers: { 'GET /api/operations': [fetching, failed], 'POST /api/operations/o_2/retry': failed, 'POST /api/operations/o_1/cancel': fetching },
    });
    const table = within(await screen.findByRole('table', { name: 'Operations' }));
    const [going, ended] = table.getAllByRole('row').slice(1) as [HTMLElement, HTMLElement];
    expect(going.textContent).toContain('6 s left');
    expect(ended.textContent).toContain('The disk of c is full.');
    fireEvent.click(within(ended).getByRole('button', { name: 'Try again: Bring to c, tiny:latest' }));
    fireEvent.click(within(going).getByRole('button', { name: 'Cancel: Bring to b, tiny:latest' }));
    await waitFor(() => expect(page.asked.filter((what) => what.startsWith('POST'))).toEqual(['POST /api/operations/o_2/retry', 'POST /api/operations/o_1/cancel']));
    fireEvent.click(screen.getByRole('link', { name: 'Under way 1' }));
    await waitFor(() => expect(table.getAllByRole('row')).toHaveLength(2));
  });

  it('are only shown to viewers', async () => {
    await openPage('/operations', { role: 'viewer', answers: { 'GET /api/operations': [fetching, failed] } });
    await screen.findByRole('table', { name: 'Operations' });
    expect(within(screen.getByRole('main')).queryAllByRole('button')).toEqual([]);
  });
});
