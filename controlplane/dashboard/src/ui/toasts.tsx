import { create } from 'zustand';

import { Button } from './Button';
import styles from './toasts.module.css';

interface Toast {
  id: number;
  text: string;
  tone: 'good' | 'bad';
}

const useToasts = create<{ list: Toast[] }>(() => ({ list: [] }));
let last = 0;

/** How long a message stays, in milliseconds; one about a failure stays until it is put away. */
const stayMs = 6000;

/** Says what became of something that somebody did. */
export function toast(text: string, tone: Toast['tone'] = 'good'): void {
  const id = ++last;
  useToasts.setState(({ list }) => ({ list: [...list.slice(-3), { id, text, tone }] }));
  if (tone === 'good') setTimeout(() => dismiss(id), stayMs);
}

function dismiss(id: number): void {
  useToasts.setState(({ list }) => ({ list: list.filter((one) => one.id !== id) }));
}

/** Where the messages appear. */
export function Toasts() {
  const { list } = useToasts();
  return (
    <div className={styles.toasts} aria-live="polite" role="log" aria-label="Messages">
      {list.map(({ id, text, tone }) => (
        <div key={id} className={`${styles.toast} ${styles[tone]}`}>
          <span>{text}</span>
          <Button kind="bare" aria-label="Put the message away" onClick={() => dismiss(id)}>
            ×
          </Button>
        </div>
      ))}
    </div>
  );
}
