import type { Operation, WaitReason } from '../../api/types.gen';
import type { Tone } from '../../ui/Status';

/** Whether nothing more comes of an operation. */
export function ended({ state }: Operation): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled';
}

/** What an operation does, as people say it. */
export function taskOf({ kind, host }: Operation): string {
  switch (kind) {
    case 'upload':
      return 'Upload';
    case 'store':
      return 'Store';
    case 'download':
      return host === undefined ? 'Bring to a host' : `Bring to ${host}`;
    case 'delete':
      return host === undefined ? 'Delete the files' : `Delete from ${host}`;
  }
}

const phases: Record<string, string> = {
  receiving: 'Receiving',
  storing: 'Storing',
  hashing: 'Reading what is stored',
  inspecting: 'Looking at it',
  preparing: 'Preparing',
  fetching: 'Fetching',
  importing: 'Importing into Ollama',
  checking: 'Checking',
  tidying: 'Tidying up',
};

const waits: Record<WaitReason, { tone: Tone; label: string }> = {
  host_away: { tone: 'warn', label: 'Waiting for the host' },
  ollama_not_ready: { tone: 'warn', label: 'Waiting for Ollama' },
  base_missing: { tone: 'warn', label: 'Waiting for its base model' },
  host_busy: { tone: 'idle', label: 'Waiting for its turn' },
  queue: { tone: 'idle', label: 'In the queue' },
  retry: { tone: 'warn', label: 'To be tried again' },
};

/** How an operation is, in a word or two. A phase that is not known here is shown as it is. */
export function stateOf({ state, phase = '', reason }: Operation): { tone: Tone; label: string } {
  switch (state) {
    case 'done':
      return { tone: 'good', label: 'Done' };
    case 'failed':
      return { tone: 'bad', label: 'Failed' };
    case 'cancelled':
      return { tone: 'idle', label: 'Cancelled' };
    case 'waiting':
      return reason === undefined ? { tone: 'idle', label: 'Waiting' } : waits[reason];
    case 'running':
      return { tone: 'good', label: phases[phase] ?? (phase === '' ? 'Running' : phase) };
  }
}

/**
 * Whether asking again for it may help. What is uploaded or stored is for whoever has the
 * bytes to go on with, and of what was done about a model on a host only the last counts:
 * all are the operations that there are, the latest first.
 */
export function mayRetry({ id, model_id, host_id, state, retry_at }: Operation, all: readonly Operation[]): boolean {
  if (host_id === undefined || !(state === 'failed' || state === 'cancelled' || (state === 'waiting' && retry_at !== undefined))) return false;
  return all.find((one) => one.model_id === model_id && one.host_id === host_id)?.id === id;
}
