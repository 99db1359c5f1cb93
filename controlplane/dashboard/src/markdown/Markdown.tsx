import { memo, type ReactElement, useState } from 'react';
import ReactMarkdown, { type Options } from 'react-markdown';
import remarkGfm from 'remark-gfm';

import { withVisibleBidi } from './bidi';
import { CodeBlock } from './CodeBlock';
import { elements } from './elements';
import { guard, isTangled } from './guard';
import { safeAddress } from './links';
import styles from './Markdown.module.css';
import type { Block } from './scanner';
import { advance, nothing } from './split';

/**
 * Shows a text in Markdown that a stranger wrote and that may still grow. It
 * becomes elements of React and never HTML, loads nothing, and leads nowhere but
 * to the web and to mail.
 */
export function Markdown({ text }: { text: string }) {
  const [split, setSplit] = useState(nothing);
  if (split.text !== text) setSplit(advance(split, text));
  return (
    <div className={styles.markdown} dir="auto">
      {split.blocks.map((block, i) => (
        <Part key={i} block={block} />
      ))}
    </div>
  );
}

const Part = memo(
  function Part({ block }: { block: Block }) {
    const content = block.kind === 'code' ? <CodeBlock source={block.source} language={block.language} /> : rendered(block.source);
    return <div className={block.continued ? styles.continued : styles.block}>{content}</div>;
  },
  ({ block: a }, { block: b }) => a === b || (a.source === b.source && a.kind === b.kind && a.language === b.language),
);

// It has no hooks, and called as a function it throws here and not in React.
const render = ReactMarkdown as (options: Options) => ReactElement;

/** The elements of a block, or its bare text when that can't be made sense of. */
function rendered(source: string): ReactElement {
  if (isTangled(source)) return bare(source);
  try {
    return render({ children: source, remarkPlugins: [remarkGfm, guard], urlTransform: safeAddress, components: elements });
  } catch {
    return bare(source);
  }
}

function bare(source: string): ReactElement {
  return <p className={styles.plain}>{withVisibleBidi(source)}</p>;
}
