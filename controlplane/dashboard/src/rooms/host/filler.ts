import type { Hole, Reading, Series } from '../../live/series';

/** Reads what was measured in a stretch of time. */
export type ReadHistory = (from: Date, to: Date, signal: AbortSignal) => Promise<Reading[]>;

/**
 * When a hole is looked up after it was first seen, in milliseconds: an agent
 * that was cut off sends what it kept a little later.
 */
const lookUpAfterMs = [0, 4000, 20_000];

/** A hole's edges may lie within readings of the same moment. */
const edgeMs = 50;

/**
 * Fills the holes of a series from the history, where that has what is missing.
 * What it doesn't have stays a gap.
 */
export class Filler {
  private readonly seen = new Map<number, { since: number; tries: number }>(); // by where the hole ends
  private busy: AbortController | undefined;

  constructor(
    private readonly series: Series,
    private readonly read: ReadHistory,
    /** Hears why the history could not be read, and undefined once it could. */
    private readonly onProblem: (error: unknown) => void,
  ) {}

  /** Looks up what is due. It is called each time that time has gone on. */
  check(now: number): void {
    if (this.busy !== undefined) return;
    const hole = this.due(now);
    if (hole !== undefined) void this.fill(hole);
  }

  /** Has everything that is missing looked up anew. */
  again(now: number): void {
    this.seen.clear();
    this.check(now);
  }

  stop(): void {
    this.busy?.abort();
    this.busy = undefined;
  }

  private due(now: number): Hole | undefined {
    const holes = this.series.holes();
    const empty = this.series.latest === undefined;
    const keys = new Set(holes.map(({ to }) => (empty ? 0 : to)));
    for (const key of this.seen.keys()) if (!keys.has(key)) this.seen.delete(key);
    return holes.find(({ to }) => {
      const key = empty ? 0 : to; // the end of an empty series moves
      const noted = this.seen.get(key) ?? { since: now, tries: 0 };
      this.seen.set(key, noted);
      const after = lookUpAfterMs[noted.tries];
      if (after === undefined || now - noted.since < after) return false;
      noted.tries++;
      return true;
    });
  }

  private async fill({ from, to }: Hole): Promise<void> {
    const abort = new AbortController();
    this.busy = abort;
    try {
      const readings = await this.read(new Date(from), new Date(to + edgeMs), abort.signal);
      if (abort.signal.aborted) return;
      this.series.merge(readings);
      this.onProblem(undefined);
    } catch (error) {
      if (!abort.signal.aborted) this.onProblem(error);
    } finally {
      if (this.busy === abort) this.busy = undefined;
    }
  }
}
