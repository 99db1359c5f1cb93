import { hostStates } from '../../ui/hostStates';
import type { FleetHost } from './fleetHosts';

/**
 * Whether a host is looked for: each word has to be in its name, a label, the
 * name of one of its models, or its state.
 */
export function matches(host: FleetHost, q: string, state: FleetHost['state'] | undefined): boolean {
  if (state !== undefined && host.state !== state) return false;
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const texts = [
    host.name,
    ...Object.entries(host.labels ?? {}).map(([key, value]) => `${key}=${value}`),
    ...host.instances.flatMap(({ models, loaded }) => [...models, ...loaded].map(({ name }) => name)),
    hostStates[host.state].label,
    host.draining ? 'draining' : '',
  ].map((text) => text.toLowerCase());
  return words.every((word) => texts.some((text) => text.includes(word)));
}

/** How many models a host has and has loaded; undefined while that is not known. */
export function modelCounts({ instances }: FleetHost): { loaded: number; present: number } | undefined {
  const known = instances.filter(({ models_known }) => models_known);
  if (known.length === 0) return undefined;
  const names = new Set(known.flatMap(({ models }) => models.map(({ name }) => name)));
  return { loaded: known.reduce((sum, { loaded }) => sum + loaded.length, 0), present: names.size };
}
