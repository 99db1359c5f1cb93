import { describe, expect, it } from 'vitest';

import type { Reading } from '../live/series';
import { digestOf, gapsIn, type Line, nearest, pointsOf } from './lines';

const readings: Reading[] = [
  { at: 1000, cpu_percent: 10, in_flight: 0, gpus: [] },
  { at: 2000, in_flight: 2, gpus: [] },
  { at: 9000, cpu_percent: 30, in_flight: 4, gpus: [] },
];
const lines: Line[] = [
  { label: 'CPU', pick: (reading) => reading.cpu_percent },
  { label: 'In flight', pick: (reading) => reading.in_flight },
];

describe('lines', () => {
  it('break off where readings are missing, and where a value is not known', () => {
    expect(pointsOf(readings, lines)).toEqual({
      times: [1, 2, 5.5, 9],
      values: [
        [10, null, null, 30],
        [0, 2, null, 4],
      ],
    });
    expect(gapsIn(readings)).toBe(1);
    expect(pointsOf([], lines)).toEqual({ times: [], values: [[], []] });
  });

  it('are summed up without what is not known', () => {
    expect(digestOf([10, null, 30])).toEqual({ latest: 30, lowest: 10, mean: 20, highest: 30 });
    expect(digestOf([0, null])).toEqual({ latest: null, lowest: 0, mean: 0, highest: 0 });
    expect(digestOf([])).toEqual({ latest: null, lowest: null, mean: null, highest: null });
  });

  it('have no value in the middle of a gap', () => {
    expect(nearest(readings, 1400)?.at).toBe(1000);
    expect(nearest(readings, 1600)?.at).toBe(2000);
    expect(nearest(readings, 5500)).toBeUndefined();
    expect(nearest(readings, 99_000)).toBeUndefined();
    expect(nearest([], 0)).toBeUndefined();
  });
});
