import { lazy, Suspense } from 'react';

import { withVisibleBidi } from '../../markdown/bidi';
import styles from './Turns.module.css';

// What renders Markdown is large, and a page without an answer can do without it.
const Markdown = lazy(() => import('../../markdown/Markdown').then((module) => ({ default: module.Markdown })));

/** An answer's text, bare until what renders Markdown is there. */
export function Prose({ text }: { text: string }) {
  if (text === '') return null;
  return (
    <Suspense fallback={<p className={styles.bare}>{withVisibleBidi(text)}</p>}>
      <Markdown text={text} />
    </Suspense>
  );
}

/** What a model thought before its answer, folded. */
export function Thinking({ text, going = false }: { text: string; going?: boolean }) {
  if (text === '') return null;
  return (
    <details className={styles.thinking}>
      <summary>{going ? 'Thinking…' : 'What it thought'}</summary>
      <p className={styles.bare} dir="auto">
        {withVisibleBidi(text)}
      </p>
    </details>
  );
}
