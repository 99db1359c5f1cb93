/**
 * How many lines at the beginning of a tail are the ones that were had last: a
 * log that is read anew begins with some that are known already.
 */
export function overlap(had: readonly string[], tail: readonly string[]): number {
  for (let length = Math.min(had.length, tail.length); length > 0; length--) {
    const start = had.length - length;
    let same = length - 1; // from the end, where most lengths differ at once
    while (same >= 0 && had[start + same] === tail[same]) same--;
    if (same < 0) return length;
  }
  return 0;
}
