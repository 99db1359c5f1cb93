import { defined, oneOf, type RawSearch, text } from '../../app/search';

export const hostTabs = ['overview', 'models', 'logs'] as const;

/** Which part of a host is shown. */
export function hostSearch(raw: RawSearch) {
  return defined({
    tab: oneOf(hostTabs, raw['tab']),
    instance: text(raw['instance']),
    q: text(raw['q']),
  });
}
