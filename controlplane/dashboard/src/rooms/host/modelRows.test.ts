import { describe, expect, it } from 'vitest';

import type { Instance, LoadedModel } from '../../api/types.gen';
import { modelRows, onGpus, placement } from './modelRows';

const loaded = (size: number, size_vram: number): LoadedModel => ({ name: 'a:latest', digest: 'sha256:1', size, size_vram });

describe('modelRows', () => {
  it('joins what is present with what is loaded', () => {
    const instance: Instance = {
      name: 'default',
      mode: 'managed',
      state: 'ready',
      in_flight: 0,
      restart_count: 0,
      models_known: true,
      models: [
        { name: 'a:latest', digest: 'sha256:1', size: 10, parameter_size: '8B', quantization: 'Q4_0' },
        { name: 'b:latest', digest: 'sha256:2', size: 20 },
      ],
      loaded: [loaded(12, 12), { ...loaded(5, 5), digest: 'sha256:old' }],
    };
    const rows = modelRows(instance);
    expect(rows.map(({ name, sizeBytes, detail, loaded: inMemory }) => [name, sizeBytes, detail, inMemory?.size])).toEqual([
      ['a:latest', 10, '8B Q4_0', 12],
      ['b:latest', 20, '', undefined],
      ['a:latest', undefined, 'loaded, and no longer in the store', 5],
    ]);
  });
});

describe('onGpus', () => {
  const gpus = [{ uuid: 'GPU-b', index: 3, name: '', state: 'ok' as const }];
  it.each([
    [undefined, ''],
    [[], ''],
    [[{ uuid: 'GPU-b' }], 'on GPU 3'],
    [[{ uuid: 'GPU-b' }, { uuid: 'GPU-gone' }], 'on GPU 3, GPU-gone'],
  ])('%o are told %s', (shares, where) => expect(onGpus({ ...loaded(1, 1), ...(shares && { gpus: shares }) }, gpus)).toBe(where));
});

describe('placement', () => {
  it.each([
    [loaded(100, 100), 'GPU alone'],
    [loaded(100, 0), 'CPU alone'],
    [loaded(100, 47), '47 % GPU, 53 % CPU'],
    [loaded(1000, 999), '99 % GPU, 1 % CPU'],
    [loaded(0, 0), 'Place not known'],
  ])('%o lies in %s', (model, where) => expect(placement(model)).toBe(where));
});
