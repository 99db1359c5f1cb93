import { defined, oneOf, type RawSearch, text } from '../../app/search';

export const fleetSorts = ['name', 'state', 'cpu', 'memory', 'models', 'requests'] as const;
export const fleetColours = ['utilization', 'memory', 'temperature', 'power'] as const;
export const fleetStates = ['online', 'degraded', 'disconnected', 'away', 'dead', 'asleep', 'stopped', 'pending'] as const;

/** What the fleet shows, and in which order. A sort that begins with "-" is descending. */
export function fleetSearch(raw: RawSearch) {
  const sort = text(raw['sort']);
  return defined({
    q: text(raw['q']),
    state: oneOf(fleetStates, raw['state']),
    sort: sort !== undefined && oneOf(fleetSorts, sort.replace(/^-/, '')) ? sort : undefined,
    colour: oneOf(fleetColours, raw['colour']),
    add: raw['add'] === true ? true : undefined,
  });
}
