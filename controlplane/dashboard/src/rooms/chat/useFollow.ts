import { type RefObject, useEffect } from 'react';

/** How near the end of the page somebody has to be to be taken along, in pixels. */
const nearPx = 96;

/**
 * Keeps the end of the page in view while what is in place grows, for as long as
 * the reader stays there. Who scrolls up to read is left in peace.
 */
export function useFollow(place: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const page = document.documentElement;
    let following = true;
    let lastTop = window.scrollY;
    const scrolled = () => {
      const near = page.scrollHeight - window.innerHeight - window.scrollY < nearPx;
      // What grows moves the end away without anybody scrolling: that ends nothing.
      if (near) following = true;
      else if (window.scrollY < lastTop) following = false;
      lastTop = window.scrollY;
    };
    const grown = new ResizeObserver(() => {
      if (following) window.scrollTo({ top: page.scrollHeight, behavior: 'instant' });
    });
    if (place.current) grown.observe(place.current);
    window.addEventListener('scroll', scrolled, { passive: true });
    return () => {
      grown.disconnect();
      window.removeEventListener('scroll', scrolled);
    };
  }, [place]);
}
