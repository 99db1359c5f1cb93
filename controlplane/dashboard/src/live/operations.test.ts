import { describe, expect, it } from 'vitest';

import type { ModelProgress, Operation } from '../api/types.gen';
import { withProgress } from './operations';

const operation = (id: string, more: Partial<Operation> = {}): Operation => ({
  id, kind: 'download', model: 'm:latest', model_id: 'm_1', state: 'running', phase: 'fetching', error: 'the line broke',
  done_bytes: 1, total_bytes: 10, attempts: 1, created_at: '', changed_at: '', progress: 10, ...more,
});

describe('the progress of a model', () => {
  it('moves the operations that it names, and takes back what no longer holds', () => {
    const told = { operations: [{ operation_id: 'b', kind: 'download', state: 'done', progress: 100 }] } as ModelProgress;
    const before = [operation('a'), operation('b')];
    const [a, b] = withProgress(before, told);
    expect(a).toBe(before[0]);
    expect(b).toMatchObject({ state: 'done', progress: 100, done_bytes: 10 });
    expect(b).not.toHaveProperty('error');
    expect(b).not.toHaveProperty('phase');
  });

  it('has as many bytes as the share says, and never fewer than there were', () => {
    const told = (progress: number) => ({ operations: [{ operation_id: 'a', kind: 'download', state: 'running', progress }] }) as ModelProgress;
    const before = operation('a', { done_bytes: 250, total_bytes: 1000, progress: 25 });
    expect(withProgress([before], told(40))[0]).toMatchObject({ done_bytes: 400 });
    expect(withProgress([before], told(25))[0]).toMatchObject({ done_bytes: 250 });
    expect(withProgress([operation('a', { done_bytes: 7, total_bytes: 0 })], told(0))[0]).toMatchObject({ done_bytes: 7 });
  });

  it('says what they wait for, and nothing of what they waited for before', () => {
    const waits = operation('a', { state: 'waiting', reason: 'host_away', message: 'the host is away' });
    const step = (more: object) => ({ operations: [{ operation_id: 'a', kind: 'download', progress: 10, ...more }] }) as ModelProgress;
    expect(withProgress([waits], step({ state: 'waiting', reason: 'host_away' }))[0]).toMatchObject({ reason: 'host_away', message: 'the host is away' });
    const [busy] = withProgress([waits], step({ state: 'waiting', reason: 'host_busy' }));
    expect(busy).toMatchObject({ reason: 'host_busy' });
    expect(busy).not.toHaveProperty('message');
    expect(withProgress([waits], step({ state: 'running' }))[0]).not.toHaveProperty('reason');
  });
});
