import { defined, oneOf, type RawSearch, text } from '../../app/search';

export const hostTabs = ['overview', 'models', 'logs'] as const;
export const hostModelSorts = ['name', 'size', 'memory'] as const;

/** Which part of a host is shown, and how. A sort that begins with "-" is descending. */
export function hostSearch(raw: RawSearch) {
  const sort = text(raw['sort']);
  return defined({
    tab: oneOf(hostTabs, raw['tab']),
    instance: text(raw['instance']),
    q: text(raw['q']),
    sort: sort !== undefined && oneOf(hostModelSorts, sort.replace(/^-/, '')) ? sort : undefined,
    wrap: raw['wrap'] === true ? true : undefined,
  });
}
