import type { GPUState, HostState, InstanceState } from '../api/types.gen';
import type { Tone } from './Status';

interface Shown {
  tone: Tone;
  label: string;
}

/** How the states of a host are shown. */
export const hostStates: Record<HostState, Shown> = {
  online: { tone: 'good', label: 'Online' },
  degraded: { tone: 'warn', label: 'Degraded' },
  disconnected: { tone: 'warn', label: 'Disconnected' },
  away: { tone: 'bad', label: 'Away' },
  dead: { tone: 'bad', label: 'Dead' },
  asleep: { tone: 'idle', label: 'Asleep' },
  stopped: { tone: 'idle', label: 'Stopped' },
  pending: { tone: 'warn', label: 'Waits for approval' },
};

/** How the states of an Ollama are shown. */
export const instanceStates: Record<InstanceState, Shown> = {
  unknown: { tone: 'idle', label: 'Unknown' },
  starting: { tone: 'warn', label: 'Starting' },
  ready: { tone: 'good', label: 'Ready' },
  degraded: { tone: 'warn', label: 'Degraded' },
  stopped: { tone: 'idle', label: 'Stopped' },
  failed: { tone: 'bad', label: 'Failed' },
};

/** How the states of a GPU are shown. */
export const gpuStates: Record<GPUState, Shown> = {
  unknown: { tone: 'idle', label: 'Unknown' },
  ok: { tone: 'good', label: 'OK' },
  degraded: { tone: 'warn', label: 'Degraded' },
  lost: { tone: 'bad', label: 'Lost' },
};

/** Whether a host's agent is connected, so that it can be asked for something. */
export function reachable(state: HostState): boolean {
  return state === 'online' || state === 'degraded';
}
