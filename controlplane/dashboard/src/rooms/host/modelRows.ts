import type { GPU, Instance, LoadedModel } from '../../api/types.gen';

/** A model of an Ollama, and how it is loaded, if it is. */
export interface ModelRow {
  id: string;
  name: string;
  digest: string;
  /** What it takes on the disk; undefined for one that is loaded and no longer there. */
  sizeBytes?: number;
  detail: string;
  loaded?: LoadedModel;
  /** On which GPUs it is loaded, '' where that is not known. */
  places: string;
}

/** The models that an Ollama has or has loaded. */
export function modelRows({ models, loaded }: Instance, gpus: readonly GPU[] = []): ModelRow[] {
  const rows = models.map((model): ModelRow => {
    const inMemory = loaded.find((one) => one.name === model.name && one.digest === model.digest);
    return {
      id: `${model.name} ${model.digest}`,
      name: model.name,
      digest: model.digest,
      sizeBytes: model.size,
      detail: [model.parameter_size, model.quantization].filter(Boolean).join(' '),
      places: inMemory === undefined ? '' : onGpus(inMemory, gpus),
      ...(inMemory && { loaded: inMemory }),
    };
  });
  const shown = new Set(rows.map(({ id }) => id));
  for (const one of loaded) {
    const id = `${one.name} ${one.digest}`;
    if (!shown.has(id)) rows.push({ id, name: one.name, digest: one.digest, detail: 'loaded, and no longer in the store', loaded: one, places: onGpus(one, gpus) });
  }
  return rows;
}

/** How much of a loaded model is in the GPUs' memory, in percent. */
export function gpuShare({ size, size_vram }: LoadedModel): number | undefined {
  return size > 0 ? Math.min(100, (size_vram / size) * 100) : undefined;
}

/** Says on which GPUs a model is, '' where it is on none or that is not known. */
export function onGpus({ gpus: shares = [] }: LoadedModel, gpus: readonly GPU[]): string {
  if (shares.length === 0) return '';
  const places = shares.map(({ uuid }) => gpus.find((gpu) => gpu.uuid === uuid)?.index ?? uuid);
  return `on GPU ${places.join(', ')}`;
}

/** Says where a loaded model lies. */
export function placement(loaded: LoadedModel): string {
  const gpu = gpuShare(loaded);
  if (gpu === undefined) return 'Place not known';
  if (gpu >= 100) return 'GPU alone';
  if (gpu <= 0) return 'CPU alone';
  const rounded = Math.min(99, Math.max(1, Math.round(gpu)));
  return `${rounded} % GPU, ${100 - rounded} % CPU`;
}
