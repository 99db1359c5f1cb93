import type { Sample } from '../../api/types.gen';
import { gapMs, type Reading } from '../../live/series';

/**
 * Turns samples of the history, oldest first, into readings. A rate comes from
 * two consecutive samples of the same boot; after a gap, and where a counter
 * went back, it is not known.
 */
export function readingsOf(samples: readonly Sample[]): Reading[] {
  return samples.map((sample, i) => {
    const { cpu_percent, memory, in_flight, gpus } = sample;
    return {
      at: Date.parse(sample.taken_at),
      in_flight,
      gpus,
      ...(cpu_percent !== null && { cpu_percent }),
      ...(memory !== null && { memory_used_bytes: memory.used_bytes, memory_total_bytes: memory.total_bytes }),
      ...rates(samples[i - 1], sample),
    };
  });
}

type Rates = Pick<Reading, 'received_bytes_per_second' | 'sent_bytes_per_second' | 'read_bytes_per_second' | 'written_bytes_per_second'>;

function rates(before: Sample | undefined, after: Sample): Rates {
  if (before === undefined) return {};
  const apartMs = Date.parse(after.taken_at) - Date.parse(before.taken_at);
  if (apartMs <= 0 || apartMs > gapMs || (after.uptime_seconds ?? 0) < (before.uptime_seconds ?? 0)) return {};
  const rate = <T>(was: readonly T[] | undefined, is: readonly T[] | undefined, name: (device: T) => string, count: (device: T) => number) => {
    const grown = growth(was ?? [], is ?? [], name, count);
    return grown === undefined ? undefined : (grown / apartMs) * 1000;
  };
  const networks = (sample: Sample) => sample.networks?.filter((network) => network.interface !== 'lo');
  const byInterface = (network: { interface: string }) => network.interface;
  const byDevice = (disk: { device: string }) => disk.device;
  return known({
    received_bytes_per_second: rate(networks(before), networks(after), byInterface, (n) => n.received_bytes),
    sent_bytes_per_second: rate(networks(before), networks(after), byInterface, (n) => n.sent_bytes),
    read_bytes_per_second: rate(before.disk_io, after.disk_io, byDevice, (d) => d.read_bytes),
    written_bytes_per_second: rate(before.disk_io, after.disk_io, byDevice, (d) => d.written_bytes),
  });
}

/** By how much the counters grew that are in both; undefined when none is, or when one went back. */
function growth<T>(before: readonly T[], after: readonly T[], name: (device: T) => string, count: (device: T) => number): number | undefined {
  const was = new Map(before.map((device) => [name(device), count(device)]));
  let sum: number | undefined;
  for (const device of after) {
    const start = was.get(name(device));
    if (start === undefined) continue;
    const grown = count(device) - start;
    if (grown < 0) return undefined;
    sum = (sum ?? 0) + grown;
  }
  return sum;
}

function known(rates: Record<keyof Rates, number | undefined>): Rates {
  return Object.fromEntries(Object.entries(rates).filter(([, value]) => value !== undefined));
}
