import type { GPU } from '../api/types.gen';
import { bytes, percent, unknown } from './units';

export type GpuMeasure = 'utilization' | 'memory' | 'temperature' | 'power';

/** What counts as cold: a temperature is shown by where it lies between this and the slowdown. */
const coldCelsius = 30;

/**
 * How far a measure of a GPU has come towards its limit, in percent; undefined
 * when the measure or its limit is not known.
 */
export function share(gpu: GPU, measure: GpuMeasure): number | undefined {
  switch (measure) {
    case 'utilization':
      return gpu.utilization_percent;
    case 'memory':
      return part(gpu.memory_used_bytes, gpu.memory_total_bytes);
    case 'power':
      return part(gpu.power_watts, gpu.power_limit_watts);
    case 'temperature': {
      const { temperature_celsius: now, slowdown_celsius: slowdown } = gpu;
      if (now === undefined || slowdown === undefined) return undefined;
      return part(Math.max(0, now - coldCelsius), slowdown - coldCelsius);
    }
  }
}

function part(value: number | undefined, of: number | undefined): number | undefined {
  return value === undefined || of === undefined || of <= 0 ? undefined : Math.min(100, (value / of) * 100);
}

const slowdowns: Record<string, string> = {
  power_cap: 'its power limit',
  hardware: 'the hardware',
  sync_boost: 'slower GPUs in step with it',
  thermal: 'heat',
  hardware_thermal: 'far too much heat',
  power_brake: 'the power supply',
};

/** Says why the clocks of a GPU are lower than they could be. */
export function slowedBy(reasons: readonly string[]): string {
  return reasons.map((reason) => slowdowns[reason] ?? reason).join(', ');
}

/** All values of a GPU in a few lines. */
export function describeGpu(gpu: GPU): string {
  const known = <T>(value: T | undefined, format: (value: T) => string) => (value === undefined ? unknown : format(value));
  const watts = (n: number) => `${n.toFixed(0)} W`;
  const celsius = (n: number) => `${n.toFixed(0)} °C`;
  return [
    `GPU ${gpu.index}, ${gpu.name || unknown}: ${gpu.state}${gpu.message ? ` (${gpu.message})` : ''}${gpu.source ? `, not real (${gpu.source})` : ''}`,
    `busy ${known(gpu.utilization_percent, percent)}`,
    `memory ${known(gpu.memory_used_bytes, bytes)} of ${known(gpu.memory_total_bytes, bytes)}`,
    `temperature ${known(gpu.temperature_celsius, celsius)}, slows down at ${known(gpu.slowdown_celsius, celsius)}`,
    `power ${known(gpu.power_watts, watts)} of ${known(gpu.power_limit_watts, watts)}`,
  ].join('\n');
}
