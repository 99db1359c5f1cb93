import type { ReactNode } from 'react';

import styles from './Table.module.css';

interface Props {
  caption: string;
  columns: readonly string[];
  /** There is a last column, of what may be done. */
  actions: boolean;
  /** On a narrow screen each row is shown as lines, of cells that say by themselves what they are. */
  stacks?: boolean;
  children: ReactNode; // the rows
}

/** A table that is short enough to need no sorting. It scrolls where it does not fit, by keys as well. */
export function Table({ caption, columns, actions, stacks = false, children }: Props) {
  return (
    <div className={styles.scroll} role="group" aria-label={caption} tabIndex={0}>
      <table className={stacks ? `${styles.table} ${styles.stacks}` : styles.table}>
        <caption className="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {[...columns, ...(actions ? ['Actions'] : [])].map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
