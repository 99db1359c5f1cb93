import type { Reading } from '../live/series';
import type { Line } from './lines';
import type { Unit } from './units';

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });

/** A moment by this browser's clock. */
export function localClock(at: number): string {
  return clock.format(at);
}

/** A moment in UTC. */
export function utcClock(at: number): string {
  return `${new Date(at).toISOString().slice(11, 19)} UTC`;
}

/** Says the values of lines at a moment. */
export function sentence(lines: readonly Line[], unit: Unit, reading: Reading | undefined, at: number): string {
  const values = lines.map(({ label, pick }) => {
    const value = reading === undefined ? undefined : pick(reading);
    return `${label} ${value === undefined ? 'not known' : unit.format(value)}`;
  });
  return `${localClock(at)}: ${values.join(', ')}`;
}
