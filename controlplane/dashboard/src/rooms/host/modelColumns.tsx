import type { Column } from '../../ui/DataTable';
import { Status } from '../../ui/Status';
import { Until } from '../../ui/Until';
import { bytes, unknown } from '../../ui/units';
import styles from './HostModels.module.css';
import { gpuShare, type ModelRow, placement } from './modelRows';

/** The columns of a host's models. */
export const modelColumns: Column<ModelRow>[] = [
  {
    id: 'name',
    header: 'Model',
    accessorFn: (row) => row.name,
    cell: ({ row: { original: row } }) => (
      <>
        {row.name} <span className="quiet">{row.detail}</span>
      </>
    ),
  },
  {
    id: 'size',
    header: 'Size',
    accessorFn: (row) => row.sizeBytes,
    sortUndefined: 'last',
    cell: ({ row: { original: row } }) => <span className="number">{row.sizeBytes === undefined ? unknown : bytes(row.sizeBytes)}</span>,
  },
  {
    id: 'memory',
    header: 'In memory',
    accessorFn: (row) => row.loaded?.size,
    sortUndefined: 'last',
    cell: ({ row: { original: row } }) => (row.loaded ? <Placed loaded={row.loaded} places={row.places} /> : <span className="quiet">not loaded</span>),
  },
  {
    id: 'context',
    header: 'Context',
    enableSorting: false,
    cell: ({ row: { original: row } }) => <span className="number">{row.loaded?.context_length?.toLocaleString() ?? unknown}</span>,
  },
  {
    id: 'unload',
    header: 'Leaves memory',
    enableSorting: false,
    cell: ({ row: { original: row } }) => (row.loaded?.expires_at === undefined ? unknown : <Until at={row.loaded.expires_at} never="stays" />),
  },
  {
    id: 'digest',
    header: 'Digest',
    enableSorting: false,
    cell: ({ row: { original: row } }) => <code title={row.digest}>{row.digest.replace(/^sha256:/, '').slice(0, 12) || unknown}</code>,
  },
];

/** Where a loaded model lies. One that the GPUs have no room for is slow, and is marked for that. */
function Placed({ loaded, places }: { loaded: NonNullable<ModelRow['loaded']>; places: string }) {
  const gpu = gpuShare(loaded);
  const tone = gpu === undefined ? 'idle' : gpu >= 100 ? 'good' : 'warn';
  return (
    <span className={styles.shares}>
      <span className="number">{bytes(loaded.size)}</span>
      <Status tone={tone} label={placement(loaded)} />
      {places !== '' && <span className="quiet">{places}</span>}
    </span>
  );
}
