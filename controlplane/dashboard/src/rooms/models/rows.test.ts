import { describe, expect, it } from 'vitest';

import type { ModelInfo } from '../../api/types.gen';
import { arranged, parameterCount, parametersOf, rowOf } from './rows';
import { versionsOf } from './versions';

/** A model on hosts that are given as "host/instance", with "!" where it is in memory and "~" where its digest is another. */
function model(name: string, places: string[], more: Partial<ModelInfo> = {}): ModelInfo {
  const residencies = places.map((place) => ({
    host_id: `id-${place.replace(/[/!~].*/, '')}`,
    host: place.replace(/[/!~].*/, ''),
    instance: /\/(\w+)/.exec(place)?.[1] ?? 'default',
    digest: place.includes('~') ? 'sha256:bb' : 'sha256:aa',
    status: place.includes('!') ? ('loaded' as const) : ('available' as const),
    size_vram: 0,
  }));
  return {
    id: `m_${name}`,
    name,
    digest: 'sha256:aa',
    size: 1,
    status: 'available',
    progress: null,
    description: null,
    conflict: false,
    digests: ['sha256:aa'],
    residencies,
    ...more,
  };
}

describe('a row', () => {
  it('names each host once, those with the model in memory first', () => {
    const row = rowOf(model('m', ['h10', 'h2', 'h3/a', 'h3/b!']));
    expect(row.holders.map(({ name, loaded }) => `${name}${loaded ? '!' : ''}`)).toEqual(['h3!', 'h2', 'h10']);
    expect(row.loadedOn).toBe(1);
  });

  it.each([
    ['7.6B', 7.6e9],
    ['494.03M', 494.03e6],
    ['1.1 t', 1.1e12],
    ['', undefined],
    [undefined, undefined],
    ['8x7B', undefined],
  ])('reads the parameters %s as %s', (size, count) => expect(parameterCount(size)).toBe(count));

  it.each([
    [{ parameter_size: '7.6B', parameter_count: 7_615_616_512 }, '7.6B'],
    [{ parameter_count: 7_615_616_512 }, '7.6B'],
    [{ parameter_count: 20_010_496 }, '20.01M'],
    [{ parameter_count: 2e9 }, '2B'],
    [{ parameter_count: 12_345 }, '12K'],
    [{ parameter_count: 7 }, '7'],
    [{}, undefined],
  ])('says of %j that it has %s parameters', (model, said) => expect(parametersOf(model)).toBe(said));
});

describe('the list', () => {
  const rows = [
    model('b:10b', ['h1', 'h2'], { parameter_size: '10B', size: 3 }),
    model('b:2b', ['h1!'], { parameter_size: '2B', size: 9, quantization: 'Q4_K_M' }),
    model('a', ['gpu-7', 'h1~', 'h3'], { conflict: true, size: 5 }),
  ].map(rowOf);
  const names = (words: string, sort: string) => arranged(rows, words, sort).map(({ name }) => name);

  it.each([
    ['name', ['a', 'b:2b', 'b:10b']],
    ['-name', ['b:10b', 'b:2b', 'a']],
    ['size', ['b:10b', 'a', 'b:2b']],
    ['-parameters', ['b:10b', 'b:2b', 'a']],
    ['status', ['a', 'b:2b', 'b:10b']],
    ['hosts', ['b:2b', 'b:10b', 'a']],
    ['odd', ['a', 'b:2b', 'b:10b']],
  ])('is in the order of %s', (sort, expected) => expect(names('', sort)).toEqual(expected));

  it('is searched by name, quantisation and host', () => {
    expect(names(' B: ', 'name')).toEqual(['b:2b', 'b:10b']);
    expect(names('q4_k_m', 'name')).toEqual(['b:2b']);
    expect(names('gpu-7', 'name')).toEqual(['a']);
    expect(names('none', 'name')).toEqual([]);
  });
});

describe('versions', () => {
  it('are told apart by digest, the one that is called first', () => {
    const versions = versionsOf(model('m', ['h1~', 'h2', 'h3'], { conflict: true, digests: ['sha256:bb', 'sha256:aa'] }));
    expect(versions.map(({ digest, chosen, residencies }) => [digest, chosen, residencies.map(({ host }) => host)])).toEqual([
      ['sha256:aa', true, ['h2', 'h3']],
      ['sha256:bb', false, ['h1']],
    ]);
  });
});
