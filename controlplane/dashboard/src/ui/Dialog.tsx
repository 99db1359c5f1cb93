import { type ReactNode, useId, useLayoutEffect, useRef } from 'react';

import { Button } from './Button';
import styles from './Dialog.module.css';

interface Props {
  title: string;
  onClose: () => void;
  children: ReactNode;
  /** What can be done, beside closing. */
  actions?: ReactNode;
  closeLabel?: string;
}

/**
 * A dialog over the page, open for as long as it is rendered. The browser's own
 * element keeps the focus inside and gives it back.
 */
export function Dialog({ title, onClose, children, actions, closeLabel = 'Close' }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  const heading = useId();
  // Closed before it is taken away, it can give the focus back.
  useLayoutEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={ref}
      className={styles.dialog}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === ref.current) onClose(); // on the backdrop
      }}
    >
      <div className={styles.body}>
        <h2 id={heading}>{title}</h2>
        {children}
        <div className={styles.actions}>
          <Button onClick={onClose}>{closeLabel}</Button>
          {actions}
        </div>
      </div>
    </dialog>
  );
}
