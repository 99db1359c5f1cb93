import type { ModelInfo } from '../../api/types.gen';
import type { Tone } from '../../ui/Status';

/** How a model is, over all hosts. */
export const modelStates: Record<ModelInfo['status'], { tone: Tone; label: string }> = {
  uploading: { tone: 'idle', label: 'Arriving' },
  failed: { tone: 'bad', label: 'Can’t be used' },
  deleting: { tone: 'warn', label: 'Deleted' },
  loaded: { tone: 'good', label: 'In memory' },
  available: { tone: 'idle', label: 'On disk' },
  downloading: { tone: 'idle', label: 'On its way to a host' },
  loading: { tone: 'idle', label: 'Being imported on a host' },
  stored: { tone: 'idle', label: 'Stored, on no host' },
};
