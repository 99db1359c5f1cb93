import { type SubmitEvent, useId, useState } from 'react';

import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import styles from './Conversations.module.css';

interface Props {
  title: string;
  onClose: () => void;
  onRename: (title: string) => void;
}

/** Lets a conversation be called something else. */
export function RenameDialog({ title, onClose, onRename }: Props) {
  const [typed, setTyped] = useState(title);
  const form = useId();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    onRename(typed.trim());
    onClose();
  };
  return (
    <Dialog
      title="Rename the conversation"
      onClose={onClose}
      closeLabel="Cancel"
      actions={
        <Button kind="primary" type="submit" form={form} disabled={typed.trim() === ''}>
          Rename
        </Button>
      }
    >
      <form id={form} onSubmit={submit}>
        <input className={styles.search} aria-label="Title" autoFocus maxLength={200} value={typed} onChange={(event) => setTyped(event.target.value)} />
      </form>
    </Dialog>
  );
}
