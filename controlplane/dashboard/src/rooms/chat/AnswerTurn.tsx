import { memo } from 'react';

import { Button } from '../../ui/Button';
import { CopyButton } from '../../ui/CopyButton';
import { asSentence } from '../../ui/sentences';
import { Status } from '../../ui/Status';
import type { Answer } from './conversation';
import { Facts } from './Facts';
import { Going } from './Going';
import { Prose, Thinking } from './Prose';
import { useRuns } from './runs';
import styles from './Turns.module.css';

interface Props {
  conversation: string;
  /** The answer as it ended; null while it is coming. */
  turn: Answer | null;
  index: number;
  /** Has it made anew; undefined where that can't be now. */
  onRegenerate: (() => void) | undefined;
  onCurl: (index: number) => void;
}

/**
 * What a model answers or has answered: one component for both, so that nothing
 * is rendered anew when an answer ends.
 */
export const AnswerTurn = memo(function AnswerTurn({ conversation, turn, index, onRegenerate, onCurl }: Props) {
  const run = useRuns((runs) => (turn === null ? runs[conversation] : undefined));
  const shown = turn ?? run;
  if (shown === undefined) return null;
  return (
    <article className={styles.answer} aria-label={shown.model} aria-busy={turn === null}>
      <Thinking text={shown.thinking ?? ''} going={turn === null && shown.content === ''} />
      <Prose text={shown.content} />
      {run && <Going run={run} />}
      {turn && <Ending turn={turn} onRegenerate={onRegenerate} />}
      {turn && <Facts turn={turn} />}
      {turn && (
        <div className={styles.actions}>
          {turn.content !== '' && <CopyButton text={turn.content} />}
          {onRegenerate && turn.state !== 'failed' && <Button onClick={onRegenerate}>Regenerate</Button>}
          <Button onClick={() => onCurl(index)}>As curl</Button>
        </div>
      )}
    </article>
  );
});

function Ending({ turn: { state, content, error, cutShort }, onRegenerate }: { turn: Answer; onRegenerate: (() => void) | undefined }) {
  if (state === 'failed') {
    return (
      <div className={styles.failed} role="alert">
        <p>{asSentence(error ?? 'The answer failed.')}</p>
        {onRegenerate && <Button onClick={onRegenerate}>Try again</Button>}
      </div>
    );
  }
  if (state === 'stopped') return <Status tone="idle" label={content === '' ? 'Stopped before it began' : 'Stopped'} />;
  if (cutShort) return <p className={styles.cutShort}>▲ It ends here because the settings or the model allow no longer answer.</p>;
  return null;
}
