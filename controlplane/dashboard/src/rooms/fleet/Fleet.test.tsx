import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { afterEach, describe, expect, it } from 'vitest';

import { aHost, closePage, openPage } from './testPage';

afterEach(closePage);

const names = () =>
  screen
    .getAllByRole('row')
    .slice(1)
    .map((row) => within(row).getByRole('link').textContent);

const gpu = { uuid: 'GPU-1', index: 0, name: 'H200', state: 'ok' as const, utilization_percent: 50 };

describe('an empty fleet', () => {
  it('leads to a host, and notices it', async () => {
    const { asked, pushHosts } = await openPage('/fleet', {
      answers: { 'POST /api/tokens': { id: 't', token: 'crt_secret', created_at: '', expires_at: new Date(Date.now() + 3_600_000).toISOString(), uses_left: 1 } },
    });
    expect(await screen.findByText('No host has joined yet')).toBeTruthy();
    expect(screen.getByText(/--token <TOKEN>/)).toBeTruthy();
    expect(screen.getByText('Waiting for the host…')).toBeTruthy();

    fireEvent.change(screen.getByLabelText(/Its name/), { target: { value: 'alpha' } });
    fireEvent.click(screen.getByRole('button', { name: 'Make a token' }));
    expect(await screen.findByText(/--token crt_secret --name alpha/)).toBeTruthy();
    expect(asked).toContain('POST /api/tokens');

    pushHosts([aHost('alpha')]);
    expect(await screen.findByText(/has joined/)).toBeTruthy();
    expect(names()).toEqual(['alpha']);
    fireEvent.click(screen.getByRole('button', { name: 'Done' }));
    await waitFor(() => expect(screen.queryByText(/has joined/)).toBeNull());
  });

  it('sends who may not make tokens to an operator', async () => {
    await openPage('/fleet', { role: 'viewer' });
    expect(await screen.findByText(/Ask one to add the host/)).toBeTruthy();
    expect(screen.queryByRole('button', { name: 'Make a token' })).toBeNull();
  });
});

describe('the hosts', () => {
  const hosts = [
    aHost('beta', { labels: { rack: 'r7' } }),
    aHost('alpha', { state: 'degraded', problems: [{ code: 'gpu_lost', message: 'GPU 3 is lost' }] }),
    aHost('gamma', { state: 'away', seen_at: new Date(Date.now() - 120_000).toISOString() }),
  ];

  it('are found by what stands in the address', async () => {
    await openPage('/fleet?q=RACK%3Dr7', { hosts });
    expect(await screen.findByText('1 of 3 hosts')).toBeTruthy();
    expect(names()).toEqual(['beta']);
    fireEvent.change(screen.getByRole('searchbox'), { target: { value: 'nothing like it' } });
    expect(await screen.findByText('No host is like that')).toBeTruthy();
    expect(window.location.search).toContain('nothing');
    fireEvent.click(screen.getByRole('button', { name: 'Show all hosts' }));
    await waitFor(() => expect(names()).toEqual(['alpha', 'beta', 'gamma']));
  });

  it('say how they are and why', async () => {
    await openPage('/fleet?sort=-state', { hosts });
    expect(await screen.findByText('GPU 3 is lost.')).toBeTruthy();
    expect(names()).toEqual(['gamma', 'alpha', 'beta']);
    expect(screen.getByText(/^2 min.* ago$/)).toBeTruthy();
  });

  it('show what is not known as such', async () => {
    const { pushMetrics } = await openPage('/fleet', { hosts });
    await screen.findByText('3 hosts');
    await pushMetrics([{ id: 'h_beta', taken_at: new Date().toISOString(), cpu_percent: 0, in_flight: 0, gpus: [] }]);
    const meters = screen.getAllByRole('meter', { name: 'CPU' }).map((meter) => meter.getAttribute('aria-valuetext'));
    expect(meters).toEqual(['0 %']);
    expect(screen.getAllByRole('img', { name: 'CPU: not known' })).toHaveLength(2);
    expect(screen.getAllByRole('img', { name: 'Memory: not known' })).toHaveLength(3);
  });

  it('are walked through by their GPUs with the arrow keys', async () => {
    const { pushMetrics } = await openPage('/fleet', { hosts });
    await screen.findByText('3 hosts');
    expect(screen.queryByRole('heading', { name: 'GPUs' })).toBeNull();
    const taken_at = new Date().toISOString();
    await pushMetrics([
      { id: 'h_alpha', taken_at, in_flight: 0, gpus: [gpu, { ...gpu, uuid: 'GPU-2', index: 1, state: 'lost' }] },
      { id: 'h_beta', taken_at, in_flight: 0, gpus: [gpu] },
    ]);
    const alpha = screen.getByRole('link', { name: 'alpha: 2 GPUs, 1 lost' });
    const beta = screen.getByRole('link', { name: 'beta: 1 GPU' });
    expect([beta, alpha].map((link) => link.tabIndex)).toEqual([0, -1]); // in the order in which the server has them
    beta.focus();
    expect(beta.getAttribute('aria-description')).toContain('busy 50 %');
    fireEvent.keyDown(beta, { key: 'ArrowRight' });
    expect(document.activeElement).toBe(alpha);
    expect([beta, alpha].map((link) => link.tabIndex)).toEqual([-1, 0]);
  });

  it('are still shown when the problems could not be loaded', async () => {
    let down = true;
    await openPage('/fleet', { hosts, answers: { 'GET /api/system/status': () => (down ? new Error('it is starting') : { problems: ['host alpha: GPU 3 is lost'] }) } });
    expect(await screen.findByText(/could not be loaded: It is starting/)).toBeTruthy();
    expect(names()).toHaveLength(3);
    down = false;
    fireEvent.click(screen.getByRole('button', { name: 'Try again' }));
    expect(await screen.findByText('Host alpha: GPU 3 is lost.')).toBeTruthy();
  });
});
