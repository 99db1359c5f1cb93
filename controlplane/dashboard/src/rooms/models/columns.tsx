import type { Column } from '../../ui/DataTable';
import { bytes, unknown } from '../../ui/units';
import { ChatHead, ChatLink, Hosts, Name, State } from './cells';
import styles from './Models.module.css';
import { type ModelRow, orderOf } from './rows';

/** The columns of the list of models. Their ids are modelSorts, but for the last one. */
export const columns: Column<ModelRow>[] = [
  { id: 'name', header: 'Name', cell: ({ row }) => <Name id={row.original.id} name={row.original.name} />, ...sorted('name') },
  {
    id: 'status',
    header: 'State',
    cell: ({ row: { original: it } }) => <State loadedOn={it.loadedOn} status={it.status} progress={it.progress} conflict={it.conflict} digests={it.digests} />,
    ...sorted('status'),
  },
  { id: 'parameters', header: 'Parameters', cell: ({ row }) => row.original.parameters ?? unknown, ...sorted('parameters') },
  { id: 'quantization', header: 'Quantisation', cell: ({ row }) => row.original.quantization ?? unknown, ...sorted('quantization') },
  { id: 'size', header: 'Size', cell: ({ row }) => <span className={`number ${styles.size}`}>{row.original.size > 0 ? bytes(row.original.size) : unknown}</span>, ...sorted('size') },
  { id: 'hosts', header: 'Hosts', cell: ({ row }) => <Hosts id={row.original.id} holders={row.original.holders} />, ...sorted('hosts') },
  { id: 'chat', header: ChatHead, enableSorting: false, cell: ({ row }) => row.original.holders.length > 0 && <ChatLink name={row.original.name} /> },
];

/** The table sorts what it is given as the whole list was sorted. */
function sorted(column: string): Pick<Column<ModelRow>, 'sortFn'> & { accessorFn: (row: ModelRow) => ModelRow } {
  const order = orderOf(column);
  return { accessorFn: (row) => row, sortFn: (a, b) => order(a.original, b.original) };
}
