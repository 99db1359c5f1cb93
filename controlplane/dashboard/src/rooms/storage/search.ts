import { defined, type RawSearch, text } from '../../app/search';

/** Which storage is browsed, and where in it. */
export function storageSearch(raw: RawSearch) {
  return defined({ name: text(raw['name']), prefix: text(raw['prefix']) });
}
