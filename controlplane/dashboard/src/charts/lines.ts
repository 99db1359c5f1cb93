import { gapMs, type Reading } from '../live/series';

/** One line of a chart: what it is called, and where its values come from. */
export interface Line {
  label: string;
  pick: (reading: Reading) => number | undefined;
}

/** What is drawn: moments in seconds since the epoch, and for each line a value at each moment, or null. */
export interface Points {
  times: number[];
  values: (number | null)[][];
}

/**
 * The points of lines. Where readings are missing there is a moment without
 * values, so that nothing is drawn across the gap.
 */
export function pointsOf(readings: readonly Reading[], lines: readonly Line[]): Points {
  const times: number[] = [];
  const values: (number | null)[][] = lines.map(() => []);
  let before: number | undefined;
  for (const reading of readings) {
    if (before !== undefined && reading.at - before > gapMs) {
      times.push((before + reading.at) / 2000);
      for (const column of values) column.push(null);
    }
    times.push(reading.at / 1000);
    lines.forEach(({ pick }, i) => values[i]?.push(pick(reading) ?? null));
    before = reading.at;
  }
  return { times, values };
}

/** What a line did, in short. */
export interface Digest {
  latest: number | null;
  lowest: number | null;
  mean: number | null;
  highest: number | null;
}

/** Sums up a line. What is not known counts for nothing. */
export function digestOf(column: readonly (number | null)[]): Digest {
  let lowest: number | null = null;
  let highest: number | null = null;
  let sum = 0;
  let count = 0;
  for (const value of column) {
    if (value === null) continue;
    lowest = lowest === null ? value : Math.min(lowest, value);
    highest = highest === null ? value : Math.max(highest, value);
    sum += value;
    count++;
  }
  return { latest: column.at(-1) ?? null, lowest, mean: count === 0 ? null : sum / count, highest };
}

/** How many times the readings break off. */
export function gapsIn(readings: readonly Reading[]): number {
  return readings.filter(({ at }, i) => at - (readings[i - 1]?.at ?? at) > gapMs).length;
}

/** The reading nearest to a moment, in milliseconds since the epoch; none is further away than a gap is wide. */
export function nearest(readings: readonly Reading[], at: number): Reading | undefined {
  let low = 0;
  let high = readings.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((readings[middle]?.at ?? 0) < at) low = middle + 1;
    else high = middle;
  }
  const candidates = [readings[low - 1], readings[low]].filter((reading) => reading !== undefined);
  const distance = (reading: Reading) => Math.abs(reading.at - at);
  const best = candidates.sort((a, b) => distance(a) - distance(b))[0];
  return best !== undefined && distance(best) <= gapMs / 2 ? best : undefined;
}
