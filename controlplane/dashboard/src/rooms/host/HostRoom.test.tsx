import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import type { GPU, Sample } from '../../api/types.gen';
import { aHost, closePage, openPage } from '../fleet/testPage';

beforeAll(() => {
  // The document that tests run in has no dialogs over the page.
  HTMLDialogElement.prototype.showModal = function showModal() {
    this.open = true;
  };
});
// What draws is tried in a browser: there is no canvas here.
vi.mock('../../charts/Chart', () => ({ Chart: ({ title }: { title: string }) => <p>chart of {title}</p> }));
afterEach(closePage);

describe('a host', () => {
  it('is found by its id and by its name', async () => {
    await openPage('/hosts/h_alpha', { hosts: [aHost('alpha')] });
    expect(await screen.findByRole('heading', { name: 'alpha' })).toBeTruthy();
    expect(screen.getByText('chart of CPU')).toBeTruthy();
    closePage();
    await openPage('/hosts/alpha', { hosts: [aHost('alpha')] });
    expect(await screen.findByRole('heading', { name: 'alpha' })).toBeTruthy();
    closePage();
    await openPage('/hosts/nowhere', { hosts: [aHost('alpha')] });
    expect(await screen.findByText('There is no such host')).toBeTruthy();
  });

  it('says in sentences what is wrong, and shows an offset of its clock when that matters', async () => {
    const problems = [{ code: 'ollama_failed', message: 'its Ollama is failed' }];
    await openPage('/hosts/alpha', { hosts: [aHost('alpha', { state: 'degraded', problems, clock_offset_ms: -2500 })] });
    expect(await screen.findByText('Its Ollama is failed.')).toBeTruthy();
    expect(screen.getByText('2.5 s behind')).toBeTruthy();
  });

  it('says where other hosts get models from it, if they may', async () => {
    const alpha = aHost('alpha');
    await openPage('/hosts/alpha', { hosts: [{ ...alpha, facts: { ...alpha.facts, peer_address: '10.0.0.7:11437' } }, aHost('beta')] });
    expect((await screen.findByText('Models for others at')).nextSibling?.textContent).toBe('10.0.0.7:11437');
    closePage();
    await openPage('/hosts/beta', { hosts: [alpha, aHost('beta')] });
    await screen.findByRole('heading', { name: 'beta' });
    expect(screen.queryByText('Models for others at')).toBeNull();
  });

  it('has neighbours a key away', async () => {
    await openPage('/hosts/host-2?tab=models', { hosts: [aHost('host-10'), aHost('host-2'), aHost('host-1')] });
    await screen.findByRole('heading', { name: 'host-2' });
    fireEvent.keyDown(document.body, { key: ']' });
    expect(await screen.findByRole('heading', { name: 'host-10' })).toBeTruthy();
    expect(window.location.search).toBe('?tab=models');
    fireEvent.keyDown(document.body, { key: ']' }); // the last one has none after it
    fireEvent.keyDown(document.body, { key: '[' });
    expect(await screen.findByRole('heading', { name: 'host-2' })).toBeTruthy();
  });
});

describe('the GPUs of a host', () => {
  const taken_at = new Date().toISOString();
  const gpu: GPU = { uuid: 'GPU-1', index: 0, name: 'H100', state: 'ok', throttled: ['power_cap', 'thermal', 'of a newer agent'] };
  const sample: Sample = { taken_at, cpu_percent: null, memory: null, in_flight: 0, gpus: [gpu] };

  it('say why they are slow, and what happened to them', async () => {
    const events = [{ at: taken_at, uuid: 'GPU-1', xid: 48, message: 'Xid 48: double-bit error', advice: 'Reset the GPU.', process: 'ollama' }];
    await openPage('/hosts/alpha', { hosts: [aHost('alpha', { sample, gpu_report: { state: 'ok', source: 'nvml', driver_version: '570.1', events } })] });
    expect(await screen.findByText('its power limit, heat, of a newer agent')).toBeTruthy();
    expect(screen.getByText('Driver 570.1')).toBeTruthy();
    expect(screen.getByRole('list', { name: 'Faults of GPUs', hidden: true }).textContent).toMatch(/GPU 0: Xid 48: double-bit error\. Reset the GPU\. It hit ollama\.$/);
    expect(screen.queryByText(/not real/i)).toBeNull();
  });

  it('that are not real are shown so', async () => {
    const made = { ...sample, gpus: [{ ...gpu, source: 'recorded:dgxh100' }] };
    await openPage('/hosts/alpha', { hosts: [aHost('alpha', { sample: made, gpu_report: { state: 'ok', source: 'recorded:dgxh100' } })] });
    expect(await screen.findByText('Not real (recorded:dgxh100)')).toBeTruthy();
    expect(screen.getByText(/These GPUs are not real/)).toBeTruthy();
  });

  it('show more of them, and to operators who uses them', async () => {
    const cards = [{ uuid: 'GPU-1', serial: '1653', unaccounted_bytes: 2 ** 30, figures: { pcie_width: 16 } }];
    const processes = [
      { gpu: 'GPU-1', pid: 7, user: 'ollama', name: 'ollama', memory_bytes: 2 ** 31, instance: 'default' },
      { gpu: 'GPU-gone', pid: 8 },
    ];
    const answers = { 'GET /api/hosts/h_alpha/gpus': { state: 'ok', cards }, 'GET /api/hosts/h_alpha/gpus/processes': processes };
    const { asked } = await openPage('/hosts/alpha', { hosts: [aHost('alpha', { sample, gpu_report: { state: 'ok' } })], answers });
    const more = await screen.findByText('More of these GPUs');
    expect(asked).not.toContain('GET /api/hosts/h_alpha/gpus');
    fireEvent.click(more);
    const card = within(await screen.findByRole('region', { name: 'GPU 0' }));
    expect(card.getByText('1653')).toBeTruthy();
    expect(card.getByText('1.0 GiB')).toBeTruthy();
    expect(card.getByText('pcie_width')).toBeTruthy();
    const rows = (await screen.findByRole('list', { name: 'Processes on the GPUs' })).querySelectorAll('li');
    expect([...rows].map((row) => row.textContent)).toEqual(['GPU 0: ollama (ollama, 7), 2.0 GiB, for Ollama “default”', 'GPU-gone: a process (8)']);
  });

  it('that are let go of say until when', async () => {
    await openPage('/hosts/alpha', { hosts: [aHost('alpha', { sample, gpu_report: { state: 'released', released_until: '2026-03-01T12:00:00Z' } })] });
    expect(await screen.findByText(/has let go of the GPU driver/)).toBeTruthy();
    expect(document.querySelector('time[datetime="2026-03-01T12:00:00Z"]')).toBeTruthy();
  });
});

describe('what is done with a host', () => {
  it('is not offered to who may not do it', async () => {
    await openPage('/hosts/alpha?tab=logs', { role: 'inference', hosts: [aHost('alpha')] });
    expect(await screen.findByText(/Operators can drain this host/)).toBeTruthy();
    expect(screen.queryByRole('button', { name: 'Drain' })).toBeNull();
    expect(screen.getByText('For operators')).toBeTruthy();
  });

  it('is drained after a question that says what it means', async () => {
    const drained = aHost('alpha', { draining: true });
    const { asked, pushMetrics } = await openPage('/hosts/alpha', { hosts: [aHost('alpha')], answers: { 'POST /api/hosts/h_alpha/drain': drained } });
    await pushMetrics([{ id: 'h_alpha', taken_at: new Date().toISOString(), in_flight: 3, gpus: [] }]);
    fireEvent.click(await screen.findByRole('button', { name: 'Drain' }));
    expect(screen.getByText('3 requests are under way.')).toBeTruthy();
    fireEvent.click(within(screen.getByRole('dialog')).getByRole('button', { name: 'Drain' }));
    expect(await screen.findByText(/Draining: it gets no new requests/)).toBeTruthy();
    expect(asked).toContain('POST /api/hosts/h_alpha/drain');
    expect(screen.getByRole('button', { name: 'Let requests come again' })).toBeTruthy();
  });

  it('is restarted, and seen coming back', async () => {
    let answer: (host: unknown) => void = () => undefined;
    const body = new ReadableStream<Uint8Array>({ start: (control) => (answer = (host) => end(control, host)) });
    const { pushHosts } = await openPage('/hosts/alpha', {
      hosts: [aHost('alpha')],
      answers: { 'POST /api/hosts/h_alpha/ollama/default/restart': new Response(body) },
    });
    fireEvent.click(await screen.findByRole('button', { name: 'Restart Ollama' }));
    fireEvent.click(screen.getByRole('button', { name: 'Restart' }));
    expect(await screen.findByText(/It is being restarted/)).toBeTruthy();
    const [instance] = aHost('alpha').instances;
    if (instance === undefined) throw new Error('the host has no Ollama');
    pushHosts([aHost('alpha', { instances: [{ ...instance, state: 'starting' }] })]);
    expect(await screen.findByText(/is starting/)).toBeTruthy();
    answer(aHost('alpha'));
    expect(await screen.findByText(/not ready yet/)).toBeTruthy();
    pushHosts([aHost('alpha', { instances: [{ ...instance, version: '0.18.0' }] })]);
    expect(await screen.findByText(/It is back/)).toBeTruthy();
    expect(screen.getByText(/Ollama 0\.18\.0 is ready/)).toBeTruthy();
  });

  it('tells who closed the dialog what became of the restart', async () => {
    let answer: (host: unknown) => void = () => undefined;
    const body = new ReadableStream<Uint8Array>({ start: (control) => (answer = (host) => end(control, host)) });
    await openPage('/hosts/alpha', { hosts: [aHost('alpha')], answers: { 'POST /api/hosts/h_alpha/ollama/default/restart': new Response(body) } });
    fireEvent.click(await screen.findByRole('button', { name: 'Restart Ollama' }));
    fireEvent.click(screen.getByRole('button', { name: 'Restart' }));
    fireEvent.click(await screen.findByRole('button', { name: 'Close' }));
    answer(aHost('alpha'));
    expect(await screen.findByText('Ollama on alpha was restarted.')).toBeTruthy();
  });

  it('says why it could not be restarted', async () => {
    const refused = new Error('host "alpha" did not restart its Ollama in time');
    await openPage('/hosts/alpha', { hosts: [aHost('alpha')], answers: { 'POST /api/hosts/h_alpha/ollama/default/restart': refused } });
    fireEvent.click(await screen.findByRole('button', { name: 'Restart Ollama' }));
    fireEvent.click(screen.getByRole('button', { name: 'Restart' }));
    await waitFor(() => expect(screen.getByRole('alert').textContent).toBe(`${refused.message.replace('host', 'Host')}.`));
    expect(screen.getByRole('button', { name: 'Try again' })).toBeTruthy();
  });

  it('is not restarting an Ollama that is only watched', async () => {
    const [instance] = aHost('alpha').instances;
    if (instance === undefined) throw new Error('the host has no Ollama');
    await openPage('/hosts/alpha', { hosts: [aHost('alpha', { instances: [{ ...instance, mode: 'attached' }] })] });
    expect(await screen.findByText(/only watched/)).toBeTruthy();
    expect(screen.queryByRole('button', { name: /Restart/ })).toBeNull();
  });
});

function end(control: ReadableStreamDefaultController<Uint8Array>, value: unknown): void {
  control.enqueue(new TextEncoder().encode(JSON.stringify(value)));
  control.close();
}
