import { memo } from 'react';

import { CopyButton } from '../ui/CopyButton';
import { withVisibleBidi } from './bidi';
import styles from './Markdown.module.css';

/** How many lines are rendered as one, so that growing code changes its last lines alone. */
const linesAtOnce = 64;

/** Code with its language, which scrolls inside its box and can be copied as it is seen. */
export const CodeBlock = memo(function CodeBlock({ source, language }: { source: string; language: string }) {
  const shown = withVisibleBidi(source);
  return (
    <figure className={styles.code}>
      <figcaption className={styles.label}>
        <span>{withVisibleBidi(language) || 'Text'}</span>
        <CopyButton text={shown} label="Copy code" />
      </figcaption>
      {/* Its box can be scrolled by keys. */}
      <pre tabIndex={0} aria-label={language ? `Code in ${language}` : 'Code'} role="region">
        <code>
          {chunks(shown).map((chunk, i) => (
            <Lines key={i} text={chunk} />
          ))}
        </code>
      </pre>
    </figure>
  );
});

const Lines = memo(function Lines({ text }: { text: string }) {
  return <span className={styles.lines}>{text}</span>;
});

function chunks(source: string): string[] {
  const found: string[] = [];
  let start = 0;
  let lines = 0;
  for (let at = source.indexOf('\n'); at !== -1; at = source.indexOf('\n', at + 1)) {
    if (++lines % linesAtOnce !== 0) continue;
    found.push(source.slice(start, at + 1));
    start = at + 1;
  }
  found.push(source.slice(start));
  return found;
}
