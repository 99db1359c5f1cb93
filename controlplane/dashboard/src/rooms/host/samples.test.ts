import { describe, expect, it } from 'vitest';

import type { Sample } from '../../api/types.gen';
import { readingsOf } from './samples';

function sample(second: number, received: number, more: Partial<Sample> = {}): Sample {
  return {
    taken_at: new Date(second * 1000).toISOString(),
    cpu_percent: 5,
    memory: null,
    uptime_seconds: 1000 + second,
    in_flight: 0,
    gpus: [],
    networks: [
      { interface: 'lo', received_bytes: second * 1e9, sent_bytes: 0, errors: 0, dropped: 0 },
      { interface: 'eth0', received_bytes: received, sent_bytes: 7, errors: 0, dropped: 0 },
    ],
    ...more,
  };
}

const received = (...samples: Sample[]) => readingsOf(samples).map((reading) => reading.received_bytes_per_second);

describe('readingsOf', () => {
  it('makes rates of counters, without the loopback', () => {
    expect(received(sample(0, 100), sample(1, 150), sample(3, 350))).toEqual([undefined, 50, 100]);
    expect(readingsOf([sample(0, 0), sample(1, 0)])[1]?.sent_bytes_per_second).toBe(0);
  });

  it('knows no rate after a gap, after another boot, and when a counter went back', () => {
    expect(received(sample(0, 100), sample(4, 500), sample(5, 600))).toEqual([undefined, undefined, 100]);
    expect(received(sample(0, 100), sample(1, 500, { uptime_seconds: 3 }))).toEqual([undefined, undefined]);
    expect(received(sample(0, 100), sample(1, 50), sample(2, 80))).toEqual([undefined, undefined, 30]);
  });

  it('counts only what is in both samples', () => {
    const more = sample(1, 150);
    more.networks?.push({ interface: 'usb0', received_bytes: 1e6, sent_bytes: 0, errors: 0, dropped: 0 });
    expect(received(sample(0, 100), more)).toEqual([undefined, 50]);
    expect(received(sample(0, 100), sample(1, 0, { networks: [] }))).toEqual([undefined, undefined]);
  });

  it('leaves out what was not read', () => {
    const [reading] = readingsOf([sample(2, 0, { cpu_percent: null })]);
    expect(reading).toEqual({ at: 2000, in_flight: 0, gpus: [] });
  });
});
