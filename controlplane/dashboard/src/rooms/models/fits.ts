import type { Running } from '../../api/models';
import type { Fit } from '../../api/types.gen';
import { compareNames } from '../../ui/names';
import type { Tone } from '../../ui/Status';

/** As each host's Ollama runs a model by itself. */
export const asHostsHaveIt: Running = { context: '', parallel: '', cache: '' };

/** Whether a model fits, as people say it. */
export const verdicts: Record<Fit['verdict'], { tone: Tone; label: string }> = {
  fits: { tone: 'good', label: 'Fits' },
  spills: { tone: 'warn', label: 'Spills into main memory' },
  unknown: { tone: 'idle', label: 'Not known' },
  no: { tone: 'bad', label: 'Doesn’t fit' },
};

const order: readonly Fit['verdict'][] = ['fits', 'spills', 'no', 'unknown'];

/** Hosts in the order in which somebody would choose them: where it fits, with the most room left. */
export function ranked(fits: readonly Fit[]): Fit[] {
  return [...fits].sort(
    (a, b) =>
      order.indexOf(a.verdict) - order.indexOf(b.verdict) ||
      a.in_main_memory - b.in_main_memory ||
      b.free - b.on_gpus - (a.free - a.on_gpus) ||
      compareNames(a.host, b.host),
  );
}

/** How many hosts a model has each verdict on, in a sentence. */
export function summed(fits: readonly Fit[]): string {
  const of = (verdict: Fit['verdict']) => fits.filter((fit) => fit.verdict === verdict).length;
  const parts = [
    `fits on ${of('fits')} of ${fits.length} ${fits.length === 1 ? 'host' : 'hosts'}`,
    ...(of('spills') > 0 ? [`spills into main memory on ${of('spills')}`] : []),
    ...(of('no') > 0 ? [`doesn’t fit on ${of('no')}`] : []),
    ...(of('unknown') > 0 ? [`not known of ${of('unknown')}`] : []),
  ];
  return `It ${parts.join(', ')}.`;
}
