import {
  type ColumnDef,
  createSortedRowModel,
  rowSortingFeature,
  sortFn_alphanumeric,
  sortFn_text,
  tableFeatures,
  useTable,
} from '@tanstack/react-table';

import styles from './DataTable.module.css';
import { useInSteps } from './useInSteps';

const features = tableFeatures({
  rowSortingFeature,
  sortedRowModel: createSortedRowModel(),
  sortFns: { alphanumeric: sortFn_alphanumeric, text: sortFn_text },
});

/** A column of a table of T. Its id is what stands in the address when it sorts. */
// A column's value is any: each has its own, and the accessor ties them together.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Column<T extends object> = ColumnDef<typeof features, T, any>;

interface Props<T extends object> {
  caption: string;
  /** Stable between renders, like data. */
  columns: Column<T>[];
  data: T[];
  rowId: (row: T) => string;
  /** A column's id, with "-" before it when descending. */
  sort: string;
  onSort: (sort: string) => void;
}

/** A table whose heads sort it. */
export function DataTable<T extends object>({ caption, columns, data, rowId, sort, onSort }: Props<T>) {
  const descending = sort.startsWith('-');
  const sorted = sort.replace(/^-/, '');
  const table = useTable({
    features,
    columns,
    data,
    getRowId: rowId,
    enableSortingRemoval: false,
    state: { sorting: [{ id: sorted, desc: descending }] },
  });
  const { rows } = table.getRowModel();
  const rendered = useInSteps(rows.length);
  return (
    <div className={styles.scroll}>
      <table className={styles.table}>
        <caption className="visually-hidden">{caption}</caption>
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id}>
              {group.headers.map((header) => {
                const active = header.column.id === sorted;
                return (
                  <th key={header.id} scope="col" aria-sort={active ? (descending ? 'descending' : 'ascending') : undefined}>
                    {header.column.getCanSort() ? (
                      <button type="button" className={styles.sort} onClick={() => onSort(active && !descending ? `-${sorted}` : header.column.id)}>
                        <table.FlexRender header={header} />
                        <span aria-hidden className={styles.arrow}>
                          {active ? (descending ? '▼' : '▲') : ''}
                        </span>
                      </button>
                    ) : (
                      <table.FlexRender header={header} />
                    )}
                  </th>
                );
              })}
            </tr>
          ))}
        </thead>
        <tbody>
          {rows.slice(0, rendered).map((row) => (
            <tr key={row.id}>
              {row.getAllCells().map((cell) => (
                <td key={cell.id}>
                  <table.FlexRender cell={cell} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
