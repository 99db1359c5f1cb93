import type { ComponentProps } from 'react';
import type { Components, ExtraProps } from 'react-markdown';

import { CodeBlock } from './CodeBlock';
import styles from './Markdown.module.css';

type Props<T extends 'a' | 'img' | 'pre' | 'table' | 'input'> = ComponentProps<T> & ExtraProps;

function Address({ href, title, children }: Props<'a'>) {
  if (!href) return <>{children}</>;
  return (
    <a href={href} title={title ?? href} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  );
}

/** Stands for an image, which is not loaded: the one who looks would be seen where it lies. */
function Image({ src, alt }: Props<'img'>) {
  const label = alt ? `Image: ${alt}` : 'Image';
  return typeof src === 'string' ? <Address href={src}>{label}</Address> : <>{label}</>;
}

function Pre({ node }: Props<'pre'>) {
  const code = node?.children[0];
  if (code?.type !== 'element') return null;
  const text = code.children[0];
  const language = /language-(\S+)/.exec(String(code.properties['className']))?.[1] ?? '';
  return <CodeBlock language={language} source={text?.type === 'text' ? text.value.replace(/\n$/, '') : ''} />;
}

function Table({ children }: Props<'table'>) {
  return (
    <div className={styles.table}>
      <table>{children}</table>
    </div>
  );
}

function Task({ checked }: Props<'input'>) {
  return <span role="img" aria-label={checked ? 'done' : 'to do'}>{checked ? '☑' : '☐'} </span>;
}

/** What stands for the elements of an answer. Its headings are below the page's own. */
export const elements: Components = {
  a: Address,
  img: Image,
  pre: Pre,
  table: Table,
  input: Task,
  h1: 'h3',
  h2: 'h4',
  h3: 'h5',
  h4: 'h6',
  h5: 'h6',
};
