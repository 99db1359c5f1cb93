import { startTransition, useEffect, useState } from 'react';

/** How many are there at first, and how many come with each step. */
const step = 40;

/**
 * How many of many things are rendered: a screenful at first, so that a page
 * appears at once, and the rest while the browser has nothing else to do.
 */
export function useInSteps(total: number): number {
  const [count, setCount] = useState(step);
  useEffect(() => {
    if (count >= total) return;
    return whenIdle(() => startTransition(() => setCount(count + step)));
  }, [count, total]);
  return Math.min(count, total);
}

/** Calls something soon, and returns what calls it off. Not every browser tells when it is idle. */
function whenIdle(work: () => void): () => void {
  if ('requestIdleCallback' in window) {
    const id = window.requestIdleCallback(work, { timeout: 500 });
    return () => window.cancelIdleCallback(id);
  }
  const id = setTimeout(work, 50);
  return () => clearTimeout(id);
}
