import type { Operation } from '../../../api/types.gen';
import { asSentence } from '../../../ui/sentences';
import type { Tone } from '../../../ui/Status';

/** What became of a model of which every byte has come. */
export interface Outcome {
  tone: Tone;
  label: string;
  sentence: string;
}

/** What the operations, the latest first, say of the model that was uploaded last under this id. */
export function outcomeOf(modelId: string, operations: readonly Operation[]): Outcome {
  // One that is an upload stands before its store, which is yet to begin.
  const last = operations.find((one) => one.model_id === modelId && (one.kind === 'store' || one.kind === 'upload'));
  const uploaded = (sentence: string): Outcome => ({ tone: 'good', label: 'Uploaded', sentence });
  if (last?.kind !== 'store') return uploaded('Every byte is there. The model appears below when it is stored.');
  switch (last.state) {
    case 'done':
      return uploaded('It is stored.');
    case 'failed':
      return { tone: 'bad', label: 'Can’t be used', sentence: asSentence(last.error ?? 'It could not be stored.') };
    case 'cancelled':
      return { tone: 'idle', label: 'Cancelled', sentence: 'It was not stored: somebody cancelled that.' };
    case 'waiting':
      if (last.error !== undefined && last.error !== '') return { tone: 'warn', label: 'Uploaded', sentence: asSentence(last.error) };
      break;
  }
  return uploaded(`Every byte is there. It is being stored${last.progress > 0 ? `, ${last.progress} %` : ''}.`);
}
