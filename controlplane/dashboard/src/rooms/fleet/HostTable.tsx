import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo } from 'react';

import { type HostMetric, useLive } from '../../live/store';
import { DataTable } from '../../ui/DataTable';
import { hostColumns, type HostRow } from './hostColumns';
import type { FleetHost } from './fleetHosts';

/** How long an order by measurements stays, in milliseconds: rows that jump each second can't be read. */
const orderMs = 3000;

const nothing: ReadonlyMap<string, HostMetric> = new Map();

/** The hosts as a table. */
export function HostTable({ hosts }: { hosts: FleetHost[] }) {
  const { sort = 'name' } = useSearch({ from: '/inside/fleet' });
  const navigate = useNavigate({ from: '/fleet' });
  const measured = ['cpu', 'memory', 'requests'].includes(sort.replace(/^-/, ''));
  const turn = useLive(({ at }) => (measured && at !== null ? Math.floor(Date.parse(at) / orderMs) : null));
  const metrics = useMemo(() => (turn === null ? nothing : useLive.getState().hosts), [turn]);
  const rows = useMemo(() => hosts.map((host): HostRow => ({ host, metric: metrics.get(host.id) })), [hosts, metrics]);
  return (
    <DataTable
      caption="Hosts"
      columns={hostColumns}
      data={rows}
      rowId={({ host }) => host.id}
      sort={sort}
      onSort={(next) => void navigate({ search: (search) => ({ ...search, sort: next }), replace: true })}
    />
  );
}
