import { useQuery } from '@tanstack/react-query';

import { hostsQuery } from '../../api/queries';
import type { Host, Instance } from '../../api/types.gen';

/**
 * A host as the fleet shows it: without what changes with each sample, which the
 * live store has, so that a host that goes on as before stays the same object.
 */
export interface FleetHost extends Omit<Host, 'sample' | 'last_frame_at' | 'clock_offset_ms' | 'instances'> {
  instances: Omit<Instance, 'in_flight'>[];
  /** How many GPUs it had when it last told. */
  gpus: number;
}

/** Every host, by name. */
export function useFleetHosts() {
  return useQuery({ ...hostsQuery, select: fleetHosts });
}

function fleetHosts(hosts: Host[]): FleetHost[] {
  return hosts.map((host) => ({
    ...without(host, 'sample', 'last_frame_at', 'clock_offset_ms'),
    instances: host.instances.map((instance) => without(instance, 'in_flight')),
    gpus: host.sample?.gpus.length ?? 0,
  }));
}

function without<T extends object, K extends keyof T>(whole: T, ...names: K[]): Omit<T, K> {
  const rest = { ...whole };
  for (const name of names) Reflect.deleteProperty(rest, name);
  return rest;
}
