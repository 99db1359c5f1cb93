import type { HostMetric } from '../../live/store';
import type { Column } from '../../ui/DataTable';
import { CpuCell, MemoryCell, ModelsCell, NameCell, NetworkCell, OllamaCell, RequestsCell, StateCell } from './cells';
import type { FleetHost } from './fleetHosts';
import { modelCounts } from './match';
import { fleetStates } from './search';

/** A host, with what it measured when the order was made, where the order needs that. */
export interface HostRow {
  host: FleetHost;
  metric: HostMetric | undefined;
}

function memoryShare(metric: HostMetric | undefined): number | undefined {
  if (metric?.memory_used_bytes === undefined || metric.memory_total_bytes === undefined) return undefined;
  return metric.memory_used_bytes / metric.memory_total_bytes;
}

/** The columns of the fleet. Cells that show measurements follow them by themselves. */
export const hostColumns: Column<HostRow>[] = [
  { id: 'name', header: 'Host', accessorFn: ({ host }) => host.name, sortFn: 'alphanumeric', cell: ({ row }) => <NameCell host={row.original.host} /> },
  { id: 'state', header: 'State', accessorFn: ({ host }) => fleetStates.indexOf(host.state), cell: ({ row }) => <StateCell host={row.original.host} /> },
  { id: 'ollama', header: 'Ollama', enableSorting: false, cell: ({ row }) => <OllamaCell host={row.original.host} /> },
  {
    id: 'models',
    header: 'Models',
    accessorFn: ({ host }) => modelCounts(host)?.loaded,
    sortUndefined: 'last',
    cell: ({ row }) => <ModelsCell host={row.original.host} />,
  },
  { id: 'cpu', header: 'CPU', accessorFn: ({ metric }) => metric?.cpu_percent, sortUndefined: 'last', cell: ({ row }) => <CpuCell id={row.original.host.id} /> },
  { id: 'memory', header: 'Memory', accessorFn: ({ metric }) => memoryShare(metric), sortUndefined: 'last', cell: ({ row }) => <MemoryCell id={row.original.host.id} /> },
  { id: 'network', header: 'Network', enableSorting: false, cell: ({ row }) => <NetworkCell id={row.original.host.id} /> },
  { id: 'requests', header: 'In flight', accessorFn: ({ metric }) => metric?.in_flight, sortUndefined: 'last', cell: ({ row }) => <RequestsCell id={row.original.host.id} /> },
];
