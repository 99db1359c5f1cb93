import { useQueryClient } from '@tanstack/react-query';

import { operationsQuery } from '../../api/models';
import { modelsQuery } from '../../api/queries';
import type { ModelInfo } from '../../api/types.gen';

/** Returns what shows a model as the control plane has just answered that it is. */
export function useTakeModel(): (model: ModelInfo) => void {
  const queries = useQueryClient();
  return (model) => {
    queries.setQueryData(modelsQuery.queryKey, (models) => models?.map((one) => (one.id === model.id ? model : one)));
    void queries.invalidateQueries({ queryKey: operationsQuery.queryKey });
  };
}
