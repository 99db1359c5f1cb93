import type { Host } from '../../api/types.gen';

/** The hosts before and after one, in the order of their names. */
export function neighbours(hosts: readonly Host[], host: Host | undefined): { before?: Host | undefined; after?: Host | undefined } {
  if (host === undefined) return {};
  const byName = hosts.toSorted((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  const here = byName.indexOf(host);
  return { before: byName[here - 1], after: byName[here + 1] };
}
