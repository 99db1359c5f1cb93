import { useSyncExternalStore } from 'react';

/** What a chart is painted with, as a canvas understands it. */
export interface Colours {
  lines: string[];
  text: string;
  grid: string;
}

const seriesCount = 8;

/** The colour of the line at a place; after the eighth they begin again, with other dashes. */
export function lineColour(index: number): string {
  return `var(--series-${(index % seriesCount) + 1})`;
}

/** The dashes of the line at a place, so that colour is not all that tells lines apart. */
export function lineDash(index: number): number[] {
  const dashes = [[], [10, 4], [3, 3], [14, 4, 3, 4]];
  return dashes[(index + Math.floor(index / seriesCount)) % dashes.length] ?? [];
}

/**
 * Reads the colours that hold at an element. A variable is no colour to a canvas,
 * so the browser is asked what it comes to.
 */
export function coloursAt(place: HTMLElement, lines: number): Colours {
  const probe = document.createElement('span');
  place.append(probe);
  const read = (colour: string) => {
    probe.style.color = colour;
    return getComputedStyle(probe).color;
  };
  const colours = {
    lines: Array.from({ length: lines }, (_, i) => read(lineColour(i))),
    text: read('var(--text-quiet)'),
    grid: read('var(--line)'),
  };
  probe.remove();
  return colours;
}

// Counts the changes of the theme, by choice or by the system.
let changes = 0;

function watchTheme(changed: () => void): () => void {
  const note = () => {
    changes++;
    changed();
  };
  const chosen = new MutationObserver(note);
  chosen.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
  const system = matchMedia('(prefers-color-scheme: dark)');
  system.addEventListener('change', note);
  return () => {
    chosen.disconnect();
    system.removeEventListener('change', note);
  };
}

/** A number that changes when the theme does. */
export function useThemeChanges(): number {
  return useSyncExternalStore(watchTheme, () => changes);
}
