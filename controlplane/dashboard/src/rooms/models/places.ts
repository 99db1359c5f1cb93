import type { Host, ModelInfo, Operation, Residency } from '../../api/types.gen';
import { reachable } from '../../ui/hostStates';
import { compareNames } from '../../ui/names';
import type { Tone } from '../../ui/Status';
import { asSentence } from '../../ui/sentences';
import { ended, stateOf } from '../operations/words';

/** A host that has a model, or is to have it. */
export interface Place {
  key: string;
  hostId: string;
  host: string;
  /** What the host has; undefined where it does not have the model, or nobody can ask. */
  residency?: Residency;
  /** It is to have the model. */
  wanted: boolean;
  /** It has not what it should, or has what it should not. */
  drift: boolean;
  tone: Tone;
  label: string;
  sentence: string; // may be empty
}

/** The hosts that have a model or are to have it, by name: what is there, and what should be. */
export function placesOf(model: ModelInfo, hosts: readonly Host[], operations: readonly Operation[]): Place[] {
  const all = operations.filter((one) => one.model_id === model.id && one.host_id !== undefined);
  const under = all.filter((one) => !ended(one));
  const wanted = new Set(model.wanted_on);
  const deleted = model.deleted_at !== undefined;
  const places = model.residencies.map((residency): Place => {
    const { host_id: hostId, host, instance } = residency;
    const doing = under.find((one) => one.host_id === hostId);
    const at = { key: `${hostId}/${instance}`, hostId, host, residency, wanted: wanted.has(hostId) };
    if (deleted || doing?.kind === 'delete') return { ...at, drift: true, tone: 'warn', label: 'To be deleted', sentence: doing?.error ?? '' };
    const other = residency.digest !== model.digest;
    if (doing?.kind === 'download') {
      return { ...at, drift: true, tone: 'warn', label: 'Being replaced', sentence: doing.error ?? '' };
    }
    const there = residency.status === 'loaded' ? ({ tone: 'good', label: 'In memory' } as const) : ({ tone: 'idle', label: 'On disk' } as const);
    if (other) return { ...at, ...there, drift: true, sentence: at.wanted ? 'It is to have another version.' : 'It is another version.' };
    return { ...at, ...there, drift: false, sentence: '' };
  });
  for (const hostId of wanted) {
    if (places.some((place) => place.hostId === hostId)) continue;
    places.push(missing(hostId, hosts.find(({ id }) => id === hostId), all.find((one) => one.host_id === hostId)));
  }
  return places.map((place) => ({ ...place, sentence: place.sentence === '' ? '' : asSentence(place.sentence) })).sort((a, b) => compareNames(a.host, b.host));
}

/** A host that is to have a model and has it not; last is what was last done about that. */
function missing(hostId: string, host: Host | undefined, last: Operation | undefined): Place {
  const at = { key: hostId, hostId, host: host?.name ?? last?.host ?? hostId, wanted: true, drift: true };
  if (host === undefined || !reachable(host.state)) {
    return { ...at, tone: 'warn', label: 'Missing', sentence: 'The host is away, and gets it when it is back.' };
  }
  if (last?.state === 'cancelled') return { ...at, tone: 'warn', label: 'Missing', sentence: 'Somebody cancelled that. It is brought there when that is tried again.' };
  if (last?.error !== undefined && last.error !== '') return { ...at, tone: 'bad', label: 'Missing', sentence: last.error };
  if (last?.state === 'waiting') return { ...at, ...stateOf(last), sentence: last.message ?? '' };
  if (last?.state === 'running') return { ...at, tone: 'idle', label: `On its way, ${last.progress} %`, sentence: last.message ?? '' };
  return { ...at, tone: 'warn', label: 'Missing', sentence: 'It is brought there as soon as that can be done.' };
}

/** Whether the catalogue has a model, so that hosts can be told to have it. */
export function isStored({ files = [] }: ModelInfo): boolean {
  return files.length > 0;
}
