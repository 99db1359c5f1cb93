import { useSyncExternalStore } from 'react';

/** The moment that several charts point at together, in milliseconds since the epoch; null when at none. */
export class Crosshair {
  private moment: number | null = null;
  private readonly listeners = new Set<() => void>();

  readonly at = (): number | null => this.moment;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  point(at: number | null): void {
    if (at === this.moment) return;
    this.moment = at;
    for (const listener of this.listeners) listener();
  }
}

export function usePointedAt(crosshair: Crosshair): number | null {
  return useSyncExternalStore(crosshair.subscribe, crosshair.at);
}
