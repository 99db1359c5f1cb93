import { type RefCallback, useCallback, useState } from 'react';

/** How many rows there are at first, and how many come each time that the end is near. */
const step = 40;

/**
 * The first of many rows, and more of them whenever what end marks comes near.
 * They begin anew when what they are the rows of, which key says, is another.
 */
export function useGrowing<T>(all: readonly T[], key: string): { shown: T[]; end: RefCallback<HTMLElement> } {
  const [grown, setGrown] = useState({ key, count: step });
  const count = grown.key === key ? grown.count : step;
  const end = useCallback<RefCallback<HTMLElement>>(
    (mark) => {
      if (mark === null) return;
      const seen = new IntersectionObserver(
        (entries) => {
          if (entries.some((entry) => entry.isIntersecting)) setGrown({ key, count: count + step });
        },
        { rootMargin: '600px' },
      );
      seen.observe(mark);
      return () => seen.disconnect();
    },
    [key, count],
  );
  return { shown: all.slice(0, count), end };
}
