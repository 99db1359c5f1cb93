import { useCallback, useRef, useState } from 'react';

import { Button } from '../../ui/Button';
import { AnswerTurn } from './AnswerTurn';
import type { Conversation } from './conversation';
import { CurlDialog } from './CurlDialog';
import { QuestionTurn } from './QuestionTurn';
import styles from './Turns.module.css';
import { useFollow } from './useFollow';

interface Props {
  conversation: Conversation;
  running: boolean;
  /** Whether the caller may ask models at all. */
  allowed: boolean;
  onResend: (index: number, content: string) => void;
  onRegenerate: () => void;
}

/** What was said so far, and what is being said. */
export function Thread({ conversation, running, allowed, onResend, onRegenerate }: Props) {
  const place = useRef<HTMLDivElement>(null);
  useFollow(place);
  const [curl, setCurl] = useState<number | null>(null);
  const showCurl = useCallback((index: number) => setCurl(index), []);
  const open = allowed && !running;
  const turns = running ? [...conversation.turns, null] : conversation.turns;
  const last = conversation.turns.at(-1);
  return (
    <div ref={place} className={styles.thread}>
      {turns.map((turn, i) =>
        turn?.role === 'user' ? (
          <QuestionTurn key={i} turn={turn} index={i} open={open} onResend={onResend} />
        ) : (
          <AnswerTurn
            key={i}
            conversation={conversation.id}
            turn={turn}
            index={i}
            onRegenerate={open && i === turns.length - 1 ? onRegenerate : undefined}
            onCurl={showCurl}
          />
        ),
      )}
      {open && last?.role === 'user' && (
        <div className={styles.failed}>
          <p>This has no answer: the page was closed before one came.</p>
          <Button onClick={onRegenerate}>Try again</Button>
        </div>
      )}
      <p className="visually-hidden" role="status">
        {running ? 'The model is answering.' : last?.role === 'assistant' ? 'The answer is there.' : ''}
      </p>
      {curl !== null && <CurlDialog conversation={conversation} at={curl} onClose={() => setCurl(null)} />}
    </div>
  );
}
