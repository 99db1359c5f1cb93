import { expect, it } from 'vitest';

import type { Operation } from '../../api/types.gen';
import { mayRetry } from './words';

const operation = (id: string, more: Partial<Operation> = {}) => ({ id, model_id: 'm', host_id: 'h', kind: 'download', state: 'failed', ...more }) as Operation;

it('offers another try of what failed, was cancelled or waits for one', () => {
  const offered = (more: Partial<Operation>) => mayRetry(operation('a', more), [operation('a', more)]);
  expect(offered({})).toBe(true);
  expect(offered({ kind: 'delete', state: 'cancelled' })).toBe(true);
  expect(offered({ state: 'waiting', retry_at: '2026-01-01T00:00:00Z' })).toBe(true);
  expect(offered({ state: 'waiting', reason: 'host_away' })).toBe(false);
  expect(offered({ state: 'running' })).toBe(false);
  expect(offered({ state: 'done' })).toBe(false);
});

it('offers none of what has no bytes left to go on with', () => {
  for (const kind of ['upload', 'store'] as const) {
    const stored = operation('a', { kind });
    delete stored.host_id;
    expect(mayRetry(stored, [stored])).toBe(false);
  }
});

it('offers none where something else was done there since', () => {
  const all = [operation('c', { host_id: 'h2' }), operation('b', { state: 'done' }), operation('a')];
  expect(all.map((one) => mayRetry(one, all))).toEqual([true, false, false]);
});
