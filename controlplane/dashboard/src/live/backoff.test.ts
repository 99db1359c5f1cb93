import { expect, it } from 'vitest';

import { backoffMs } from './backoff';

it('doubles its bound up to the cap and takes any time below it', () => {
  expect([1, 2, 3, 5, 6, 50].map((n) => backoffMs(n, () => 1))).toEqual([500, 1000, 2000, 8000, 10_000, 10_000]);
  expect(backoffMs(9, () => 0)).toBe(0);
});
