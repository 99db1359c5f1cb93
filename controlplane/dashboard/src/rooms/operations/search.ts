import { defined, oneOf, type RawSearch } from '../../app/search';

export const operationFilters = ['going', 'failed'] as const;

/** Which operations are shown; all where nothing is said. */
export function operationsSearch(raw: RawSearch) {
  return defined({ only: oneOf(operationFilters, raw['only']) });
}
