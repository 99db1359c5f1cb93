import { Pace } from '../../../ui/pace';

/** A line of a log, or a mark of ours between lines. */
export interface Entry {
  /** Counts the entries, so that each is known by its number. */
  id: number;
  text: string;
  mark?: true;
}

/** The entries at one moment. It never changes; the next one is another. */
export interface Shown {
  entries: readonly Entry[];
  /** How many came before those, and are not kept. */
  skipped: number;
}

/** The most entries that are kept. */
export const maxEntries = 5000;

/** How often new lines are shown at most, in milliseconds. */
const showEveryMs = 100;

/**
 * The last lines of a log. What is added is shown a moment later, together with
 * what comes until then: lines may come much faster than a page can be painted.
 * Whoever subscribes hears of it.
 */
export class LogBuffer {
  private pending: Entry[] = [];
  private count = 0;
  private now: Shown = { entries: [], skipped: 0 };
  private readonly listeners = new Set<() => void>();
  private readonly pace = new Pace(showEveryMs, () => this.flush());

  readonly shown = (): Shown => this.now;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  add(lines: readonly string[]): void {
    // Of more than fits only the end is worth an entry.
    const first = Math.max(0, lines.length - maxEntries);
    this.count += first;
    for (let i = first; i < lines.length; i++) this.pending.push({ id: this.count++, text: lines[i] ?? '' });
    if (this.pending.length > 2 * maxEntries) this.pending = this.pending.slice(-maxEntries);
    this.pace.ask();
  }

  /** Adds a mark, which stands between the lines before and after it. */
  mark(text: string): void {
    this.pending.push({ id: this.count++, text, mark: true });
    this.pace.ask();
  }

  /** The texts of the last lines, those that are not shown yet included. */
  tail(lines: number): string[] {
    const all = [...this.now.entries, ...this.pending];
    return all
      .filter(({ mark }) => !mark)
      .slice(-lines)
      .map(({ text }) => text);
  }

  private flush(): void {
    if (this.pending.length === 0) return;
    const entries = [...this.now.entries, ...this.pending].slice(-maxEntries);
    this.pending = [];
    this.now = { entries, skipped: entries[0]?.id ?? 0 };
    for (const listener of this.listeners) listener();
  }
}
