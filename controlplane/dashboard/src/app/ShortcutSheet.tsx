import { Dialog } from '../ui/Dialog';
import styles from './ShortcutSheet.module.css';
import { shortcuts } from './shortcuts';

/** Lists the keys. */
export function ShortcutSheet({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl className={styles.keys}>
        {shortcuts.map(({ keys, what }) => (
          <div key={keys} className={styles.row}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
