import { defined, oneOf, type RawSearch, text } from '../../app/search';

export const modelSorts = ['name', 'status', 'parameters', 'quantization', 'size', 'hosts'] as const;

/** What the list of models shows, and in which order. */
export function modelsSearch(raw: RawSearch) {
  const sort = text(raw['sort']);
  return defined({
    q: text(raw['q']),
    sort: sort !== undefined && oneOf(modelSorts, sort.replace(/^-/, '')) ? sort : undefined,
  });
}
