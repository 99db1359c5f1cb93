const firstMs = 500;
const capMs = 10_000;

/**
 * How long to wait before attempt n (from 1), in milliseconds: full jitter over
 * an exponentially growing bound, so that a thousand pages that lost the same
 * server don't come back at once.
 */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  return random() * Math.min(capMs, firstMs * 2 ** (attempt - 1));
}
