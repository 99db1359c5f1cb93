import { describe, expect, it } from 'vitest';

import type { Host, ModelInfo, Operation } from '../../api/types.gen';
import { placesOf } from './places';

const residency = (host: string, digest = 'a') => ({ host_id: `h_${host}`, host, instance: 'default', digest, status: 'available' as const, size_vram: 0 });
const host = (name: string, state: Host['state'] = 'online') => ({ id: `h_${name}`, name, state }) as Host;
const operation = (name: string, more: Partial<Operation>) => ({ id: name, model_id: 'm', host_id: `h_${name}`, host: name, kind: 'download', state: 'running', progress: 30, ...more }) as Operation;

const hosts = ['a', 'b', 'c'].map((name) => host(name));

function said(model: Partial<ModelInfo>, operations: Operation[] = [], known = hosts) {
  const places = placesOf({ id: 'm', digest: 'a', residencies: [], ...model } as ModelInfo, known, operations);
  return places.map((place) => [place.host, place.label, place.wanted, place.drift, place.sentence]);
}

describe('the places of a model', () => {
  it('are as they should be where they have what they are to have, or nobody minds', () => {
    expect(said({ residencies: [residency('b'), residency('a')], wanted_on: ['h_b'] })).toEqual([
      ['a', 'On disk', false, false, ''],
      ['b', 'On disk', true, false, ''],
    ]);
  });

  it('have drifted where the version is another one, or the model is not there', () => {
    const operations = [operation('b', {}), operation('c', { state: 'waiting', error: 'the disk is full' })];
    expect(said({ residencies: [residency('a', 'z')], wanted_on: ['h_a', 'h_b', 'h_c'] }, operations)).toEqual([
      ['a', 'On disk', true, true, 'It is to have another version.'],
      ['b', 'On its way, 30 %', true, true, ''],
      ['c', 'Missing', true, true, 'The disk is full.'],
    ]);
  });

  it('say why nothing happens', () => {
    expect(said({ wanted_on: ['h_a', 'h_gone'] }, [], [host('a', 'away')])).toEqual([
      ['a', 'Missing', true, true, 'The host is away, and gets it when it is back.'],
      ['h_gone', 'Missing', true, true, 'The host is away, and gets it when it is back.'],
    ]);
  });

  it('say what became of the last try, where nobody tries any more', () => {
    const operations = [
      operation('a', { state: 'failed', error: 'its Ollama is too old' }),
      operation('a', { state: 'cancelled' }),
      operation('b', { state: 'cancelled' }),
      operation('c', { state: 'done' }),
      operation('c', { state: 'failed', error: 'it was full' }),
    ];
    expect(said({ wanted_on: ['h_a', 'h_b', 'h_c'] }, operations)).toEqual([
      ['a', 'Missing', true, true, 'Its Ollama is too old.'],
      ['b', 'Missing', true, true, 'Somebody cancelled that. It is brought there when that is tried again.'],
      ['c', 'Missing', true, true, 'It is brought there as soon as that can be done.'],
    ]);
  });

  it('go with a deletion, and do not heed what has ended', () => {
    expect(said({ residencies: [residency('a')], deleted_at: '2026-01-01T00:00:00Z' })).toEqual([['a', 'To be deleted', false, true, '']]);
    expect(said({ residencies: [residency('a')] }, [operation('a', { kind: 'delete', state: 'done' })])).toEqual([['a', 'On disk', false, false, '']]);
  });
});
