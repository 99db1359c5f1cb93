import { describe, expect, it } from 'vitest';

import type { FleetHost } from './fleetHosts';
import { matches, modelCounts } from './match';
import { aHost } from './testPage';

const model = (name: string) => ({ name, digest: 'sha256:1', size: 1 });
const [instance] = aHost('x').instances;

function fleetHost(more: Partial<FleetHost> = {}): FleetHost {
  return { ...aHost('Alpha-1', { labels: { rack: 'r7' } }), gpus: 0, instances: [], ...more };
}

describe('matches', () => {
  const host = fleetHost({ state: 'away', draining: true, instances: [{ ...(instance as FleetHost['instances'][number]), models: [model('llama3:8b')] }] });

  it.each(['', 'alpha', 'rack=r7', 'LLAMA3', 'away', 'draining', 'alpha llama', ' alpha  r7 '])('finds a host by %j', (q) =>
    expect(matches(host, q, undefined)).toBe(true),
  );
  it.each(['beta', 'alpha beta', 'online', 'rack=r8'])('does not by %j', (q) => expect(matches(host, q, undefined)).toBe(false));
  it('goes by the state as well', () => {
    expect(matches(host, 'alpha', 'away')).toBe(true);
    expect(matches(host, 'alpha', 'online')).toBe(false);
  });
});

describe('modelCounts', () => {
  const ollama = instance as FleetHost['instances'][number];

  it('counts a model once, however many Ollamas have it', () => {
    const instances = [
      { ...ollama, models: [model('a'), model('b')], loaded: [{ ...model('a'), size_vram: 1 }] },
      { ...ollama, name: 'second', models: [model('a')], loaded: [{ ...model('a'), size_vram: 1 }] },
    ];
    expect(modelCounts(fleetHost({ instances }))).toEqual({ loaded: 2, present: 2 });
  });

  it('knows nothing of an Ollama that was not asked yet', () => {
    expect(modelCounts(fleetHost({ instances: [{ ...ollama, models_known: false }] }))).toBeUndefined();
    expect(modelCounts(fleetHost())).toBeUndefined();
  });
});
