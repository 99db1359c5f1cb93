import { describe, expect, it } from 'vitest';

import type { GPU } from '../../../api/types.gen';
import { describeGpu, share } from '../../../ui/gpuMeasures';
import { decode, encode } from './code';

const gpu: GPU = {
  uuid: 'GPU-1',
  index: 0,
  name: 'H200',
  state: 'ok',
  utilization_percent: 44,
  memory_used_bytes: 96 * 2 ** 30,
  memory_total_bytes: 100 * 2 ** 30,
  temperature_celsius: 60,
  slowdown_celsius: 90,
  power_watts: 700,
  power_limit_watts: 700,
};
const lost: GPU = { uuid: 'GPU-2', index: 1, name: 'H200', state: 'lost' };

describe('the looks of tiles', () => {
  it('come back as they were written', () => {
    expect(decode(encode([gpu, lost, { ...gpu, state: 'degraded', utilization_percent: 100 }, { ...lost, state: 'unknown' }], 'utilization'))).toEqual([
      { state: 'ok', tone: 'calm', level: 4 },
      { state: 'lost', tone: 'calm', level: undefined },
      { state: 'degraded', tone: 'calm', level: 10 },
      { state: 'unknown', tone: 'calm', level: undefined },
    ]);
    expect(decode('')).toEqual([]);
  });

  it('warn of heat and of full memory, and not of work', () => {
    const tone = (measure: Parameters<typeof encode>[1], one = gpu) => decode(encode([one], measure))[0]?.tone;
    expect(tone('memory')).toBe('warn');
    expect(tone('power')).toBe('calm');
    expect(tone('temperature')).toBe('calm');
    expect(tone('temperature', { ...gpu, temperature_celsius: 91 })).toBe('bad');
  });
});

describe('share', () => {
  it('is unknown without a limit, and never nought for that', () => {
    expect(share(gpu, 'temperature')).toBe(50);
    expect(share({ ...lost, temperature_celsius: 60 }, 'temperature')).toBeUndefined();
    expect(share({ ...lost, power_watts: 10 }, 'power')).toBeUndefined();
    expect(share(lost, 'memory')).toBeUndefined();
  });
});

it('describes what is known and what is not', () => {
  expect(describeGpu({ ...lost, message: 'it fell off the bus', temperature_celsius: 40 })).toBe(
    'GPU 1, H200: lost (it fell off the bus)\nbusy –\nmemory – of –\ntemperature 40 °C, slows down at –\npower – of –',
  );
});
