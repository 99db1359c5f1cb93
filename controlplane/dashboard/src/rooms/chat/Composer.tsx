import { type KeyboardEvent, type SubmitEvent, useState } from 'react';

import { Button } from '../../ui/Button';
import styles from './Composer.module.css';

interface Props {
  running: boolean;
  /** Why nothing can be sent now, as a sentence; empty when it can. */
  hindrance: string;
  onSend: (text: string) => void;
  onStop: () => void;
}

/** Where questions are written. Enter sends, with Shift it makes a line. */
export function Composer({ running, hindrance, onSend, onStop }: Props) {
  const [text, setText] = useState('');
  const ready = !running && hindrance === '' && text.trim() !== '';
  const send = () => {
    if (!ready) return;
    onSend(text.trim());
    setText('');
  };
  const press = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    send();
  };
  return (
    <form className={styles.composer} onSubmit={submit}>
      <textarea
        className={styles.text}
        aria-label="Your message"
        aria-describedby="composer-hint"
        placeholder="Ask something"
        rows={2}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={press}
      />
      {running ? (
        <Button onClick={onStop} aria-keyshortcuts="Escape">
          Stop
        </Button>
      ) : (
        <Button kind="primary" type="submit" disabled={!ready}>
          Send
        </Button>
      )}
      <span id="composer-hint" className={styles.hint}>
        {hindrance || (running ? 'Esc stops the answer.' : 'Enter sends, Shift and Enter make a new line.')}
      </span>
    </form>
  );
}
