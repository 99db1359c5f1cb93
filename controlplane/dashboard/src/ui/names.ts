// One collator for all: making one takes longer than a comparison.
const order = new Intl.Collator('en', { numeric: true });

/** Orders names as people do, so that "gpu-2" comes before "gpu-10". */
export function compareNames(a: string, b: string): number {
  return order.compare(a, b);
}
