import type { HostMetric } from './store';

/** What a host measured at one moment. What was not known is left out. */
export interface Reading extends Omit<HostMetric, 'id' | 'taken_at'> {
  /** When it was measured, in milliseconds since the epoch. */
  at: number;
}

/** A stretch of time without readings, in milliseconds since the epoch. */
export interface Hole {
  from: number;
  to: number;
}

/** How far apart two readings may be before there is a gap between them, in milliseconds. */
export const gapMs = 3000;

/** Readings closer together than this are one and the same, told twice. */
const sameMs = 100;

/**
 * The readings of one host over the time that has just passed, oldest first and
 * never more than fit into it. Whoever subscribes hears of each change.
 */
export class Series {
  private kept: Reading[] = [];
  private endAt: number | null = null;
  private changes = 0;
  private readonly listeners = new Set<() => void>();

  constructor(readonly spanMs: number) {}

  get readings(): readonly Reading[] {
    return this.kept;
  }

  get latest(): Reading | undefined {
    return this.kept.at(-1);
  }

  /** The last moment that is shown; null before anything was told. */
  get end(): number | null {
    return this.endAt;
  }

  /** Grows with each change. */
  readonly version = (): number => this.changes;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Moves the end to now, and takes what was measured, if anything was. */
  advance(now: number, reading?: Reading): void {
    if (reading !== undefined) this.insert([reading]);
    this.moveEnd(Math.max(now, this.latest?.at ?? now));
    this.changed();
  }

  /** Takes readings of the past, which replace those of the same moments. */
  merge(readings: readonly Reading[]): void {
    if (readings.length === 0) return;
    this.insert(readings);
    this.moveEnd(this.latest?.at ?? 0);
    this.changed();
  }

  /**
   * Where readings are missing: before the first one, and between any two. What
   * is missing since the last one is none, because it may still be on its way,
   * unless there is no reading at all.
   */
  holes(): Hole[] {
    if (this.endAt === null) return [];
    const from = this.endAt - this.spanMs;
    if (this.kept.length === 0) return [{ from, to: this.endAt }];
    const found: Hole[] = [];
    let before = from;
    for (const { at } of this.kept) {
      if (at - before > gapMs) found.push({ from: before, to: at });
      before = at;
    }
    return found;
  }

  private insert(more: readonly Reading[]): void {
    const last = this.latest;
    const [first] = more;
    if (more.length === 1 && first !== undefined && (last === undefined || first.at - last.at >= sameMs)) {
      this.kept.push(first);
      return;
    }
    this.kept = union(this.kept, [...more].sort((a, b) => a.at - b.at));
  }

  private moveEnd(end: number): void {
    this.endAt = Math.max(end, this.endAt ?? end);
    const oldest = this.endAt - this.spanMs;
    const keep = this.kept.findIndex(({ at }) => at >= oldest);
    if (keep === -1) this.kept = [];
    else if (keep > 0) this.kept.splice(0, keep);
  }

  private changed(): void {
    this.changes++;
    for (const listener of this.listeners) listener();
  }
}

/** Merges two lists that are in order. Of the same moment the newer telling stays. */
function union(old: readonly Reading[], newer: readonly Reading[]): Reading[] {
  const merged: Reading[] = [];
  let i = 0;
  for (const reading of newer) {
    for (let next = old[i]; next !== undefined && next.at <= reading.at - sameMs; next = old[++i]) merged.push(next);
    for (let same = old[i]; same !== undefined && same.at < reading.at + sameMs; same = old[++i]);
    const last = merged.at(-1);
    if (last !== undefined && reading.at - last.at < sameMs) merged.pop();
    merged.push(reading);
  }
  merged.push(...old.slice(i));
  return merged;
}
