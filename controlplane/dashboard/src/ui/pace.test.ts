import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { Pace } from './pace';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('acts at once, and then not before the time has come', () => {
  const act = vi.fn();
  const pace = new Pace(1000, act);
  pace.ask();
  expect(act).toHaveBeenCalledTimes(1);
  pace.ask();
  pace.ask();
  vi.advanceTimersByTime(999);
  expect(act).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(1);
  expect(act).toHaveBeenCalledTimes(2);
  vi.advanceTimersByTime(5000);
  expect(act).toHaveBeenCalledTimes(2);
});

it('does nothing any more once it is stopped', () => {
  const act = vi.fn();
  const pace = new Pace(1000, act);
  pace.ask();
  pace.ask();
  pace.stop();
  vi.advanceTimersByTime(5000);
  expect(act).toHaveBeenCalledTimes(1);
});
