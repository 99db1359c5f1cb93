import { describe, expect, it } from 'vitest';

import { bytes, bytesPerSecond, duration, percent, remaining } from './units';

describe('units', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [150 * 1024 ** 2, '150 MiB'],
    [3.75 * 1024 ** 3, '3.8 GiB'],
    [2 ** 60, '1024 PiB'],
  ])('shows %d bytes as %s', (n, shown) => expect(bytes(n)).toBe(shown));

  it.each([
    [0.84, '0.8 s'],
    [7, '7 s'],
    [59.9, '59 s'],
    [60, '1 min'],
    [125, '2 min 5 s'],
    [3600 * 28, '1 d 4 h'],
    [86_400 * 3 + 59, '3 d'],
  ])('shows %d seconds as %s', (n, shown) => expect(duration(n)).toBe(shown));

  it.each([
    [0.2, '1 s'],
    [8.2, '9 s'],
    [61, '1 min 5 s'],
    [599, '10 min'],
    [605, '11 min'],
    [7290, '2 h 2 min'],
  ])('shows that %d seconds are left as %s', (n, shown) => expect(remaining(n)).toBe(shown));

  it('shows rates and shares', () => {
    expect(bytesPerSecond(2048)).toBe('2.0 KiB/s');
    expect(percent(41.6)).toBe('42 %');
  });
});
