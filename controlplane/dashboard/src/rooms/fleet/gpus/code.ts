import type { GPU } from '../../../api/types.gen';
import { type GpuMeasure, share } from '../../../ui/gpuMeasures';

/** How a GPU's tile looks: how full it is, in tenths, and in which tone; or why it can't be told. */
export interface Look {
  state: GPU['state'];
  /** 0 to 10; undefined when the measure is not known. */
  level: number | undefined;
  tone: 'calm' | 'warn' | 'bad';
}

const tones = { c: 'calm', w: 'warn', b: 'bad' } as const;
const states = { o: 'ok', d: 'degraded', l: 'lost', u: 'unknown' } as const;

/**
 * Writes down the looks of GPUs as a short text. It changes only when a tile
 * does, which is what makes a thousand of them cheap.
 */
export function encode(gpus: readonly GPU[], measure: GpuMeasure): string {
  return gpus
    .map((gpu) => {
      const value = share(gpu, measure);
      const level = value === undefined ? '-' : Math.min(10, Math.max(0, Math.round(value / 10))).toString(16);
      return gpu.state.charAt(0) + toneOf(value, measure) + level;
    })
    .join('');
}

/** Reads what encode wrote. */
export function decode(text: string): Look[] {
  const looks: Look[] = [];
  for (let i = 0; i + 2 < text.length; i += 3) {
    const level = parseInt(text.charAt(i + 2), 16);
    looks.push({
      state: states[text.charAt(i) as keyof typeof states],
      tone: tones[text.charAt(i + 1) as keyof typeof tones],
      level: Number.isNaN(level) ? undefined : level,
    });
  }
  return looks;
}

// A busy GPU and one at its power limit do what they are for; one that is hot or
// has no memory left is near trouble.
function toneOf(value: number | undefined, measure: GpuMeasure): keyof typeof tones {
  if (value === undefined || measure === 'utilization' || measure === 'power') return 'c';
  const [warn, bad] = measure === 'temperature' ? [85, 100] : [95, 101];
  return value >= bad ? 'b' : value >= warn ? 'w' : 'c';
}
