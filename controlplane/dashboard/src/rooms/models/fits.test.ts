import { expect, it } from 'vitest';

import type { Fit } from '../../api/types.gen';
import { summed } from './fits';

const fits = (...verdicts: Fit['verdict'][]) => verdicts.map((verdict) => ({ verdict }) as Fit);

it('sums up where a model fits', () => {
  expect(summed(fits('fits'))).toBe('It fits on 1 of 1 host.');
  expect(summed(fits('fits', 'no', 'no'))).toBe('It fits on 1 of 3 hosts, doesn’t fit on 2.');
  expect(summed(fits('spills', 'no', 'unknown'))).toBe('It fits on 0 of 3 hosts, spills into main memory on 1, doesn’t fit on 1, not known of 1.');
});
