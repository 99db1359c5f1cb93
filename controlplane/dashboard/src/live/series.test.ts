import { describe, expect, it, vi } from 'vitest';

import { type Reading, Series } from './series';

function reading(at: number, more: Partial<Reading> = {}): Reading {
  return { at, in_flight: 0, gpus: [], ...more };
}

const times = (series: Series) => series.readings.map(({ at }) => at);

describe('Series', () => {
  it('keeps no more than fits into its time', () => {
    const series = new Series(5000);
    for (let at = 0; at <= 20_000; at += 1000) series.advance(at, reading(at));
    expect(times(series)).toEqual([15_000, 16_000, 17_000, 18_000, 19_000, 20_000]);
    series.advance(40_000);
    expect(series.latest).toBeUndefined();
  });

  it('takes what is told twice once, and of that the later telling', () => {
    const series = new Series(60_000);
    series.advance(1000, reading(1000, { in_flight: 1 }));
    series.advance(1050, reading(1002, { in_flight: 2 }));
    expect(series.readings).toEqual([reading(1002, { in_flight: 2 })]);
  });

  it('puts the history where it belongs', () => {
    const series = new Series(60_000);
    for (const at of [10_000, 15_000, 16_000]) series.advance(at, reading(at));
    series.merge([12_000, 13_000, 15_010, 9000].map((at) => reading(at, { cpu_percent: 7 })));
    expect(times(series)).toEqual([9000, 10_000, 12_000, 13_000, 15_010, 16_000]);
    expect(series.readings[4]?.cpu_percent).toBe(7);
  });

  it('finds what is missing', () => {
    const series = new Series(60_000);
    expect(series.holes()).toEqual([]);
    series.advance(60_000);
    expect(series.holes()).toEqual([{ from: 0, to: 60_000 }]);
    series.advance(100_000, reading(100_000));
    series.advance(103_000, reading(103_000)); // three seconds are no gap
    series.advance(106_001, reading(106_001)); // more is one
    series.advance(120_000); // what comes last may be on its way
    expect(series.holes()).toEqual([
      { from: 60_000, to: 100_000 },
      { from: 103_000, to: 106_001 },
    ]);
    series.merge([63_000, 64_000].map((at) => reading(at)));
    expect(series.holes()[0]).toEqual({ from: 64_000, to: 100_000 });
  });

  it('tells of each change until nobody listens', () => {
    const series = new Series(1000);
    const heard = vi.fn();
    const leave = series.subscribe(heard);
    const before = series.version();
    series.advance(1000, reading(1000));
    series.merge([]);
    expect(heard).toHaveBeenCalledTimes(1);
    expect(series.version()).not.toBe(before);
    leave();
    series.advance(2000);
    expect(heard).toHaveBeenCalledTimes(1);
  });
});
