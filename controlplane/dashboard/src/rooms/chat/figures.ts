import { duration } from '../../ui/units';
import type { Answer } from './conversation';

/** From when on the time that a model took to load is worth a word, in milliseconds. */
const notableLoadMs = 500;

export interface Figure {
  label: string;
  value: string;
}

/** What is known of how an answer came about. Rates are of Ollama's own counts. */
export function figuresOf({ tokens, tokensMs, promptTokens, firstTokenMs, loadMs }: Answer): Figure[] {
  const figures: Figure[] = [];
  if (tokens !== undefined && tokensMs !== undefined && tokensMs > 0) {
    const rate = tokens / (tokensMs / 1000);
    figures.push({ label: 'speed', value: `${rate.toFixed(rate < 10 ? 1 : 0)} tokens/s` });
  }
  if (firstTokenMs !== undefined) figures.push({ label: 'first token after', value: milliseconds(firstTokenMs) });
  if (loadMs !== undefined && loadMs >= notableLoadMs) figures.push({ label: 'loading', value: milliseconds(loadMs) });
  if (tokens !== undefined) figures.push({ label: 'tokens', value: promptTokens === undefined ? `${tokens}` : `${tokens}, prompt ${promptTokens}` });
  return figures;
}

function milliseconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : duration(ms / 1000);
}
