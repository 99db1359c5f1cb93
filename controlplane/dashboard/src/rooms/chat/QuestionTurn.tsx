import { memo, type SubmitEvent, useState } from 'react';

import { Button } from '../../ui/Button';
import type { Question } from './conversation';
import styles from './Turns.module.css';

interface Props {
  turn: Question;
  index: number;
  /** Whether it may be asked again now. */
  open: boolean;
  onResend: (index: number, content: string) => void;
}

/** What was asked, which can be put otherwise and asked again. */
export const QuestionTurn = memo(function QuestionTurn({ turn, index, open, onResend }: Props) {
  const [edited, setEdited] = useState<string | null>(null);
  if (edited === null) {
    return (
      <article className={styles.question} aria-label="You">
        <p className={styles.bare} dir="auto">
          {turn.content}
        </p>
        {open && (
          <Button kind="bare" className={styles.quietly ?? ''} onClick={() => setEdited(turn.content)}>
            Edit
          </Button>
        )}
      </article>
    );
  }
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (edited.trim() === '' || !open) return;
    onResend(index, edited.trim());
    setEdited(null);
  };
  return (
    <form className={styles.edit} onSubmit={submit}>
      <textarea
        autoFocus
        aria-label="Your message"
        aria-describedby={`edit-${index}`}
        rows={4}
        value={edited}
        onChange={(event) => setEdited(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') setEdited(null);
        }}
      />
      <p id={`edit-${index}`} className="quiet">
        What follows it in the conversation is replaced.
      </p>
      <div className={styles.actions}>
        <Button onClick={() => setEdited(null)}>Cancel</Button>
        <Button kind="primary" type="submit" disabled={edited.trim() === '' || !open}>
          Send again
        </Button>
      </div>
    </form>
  );
});
