import { useEffect, useRef } from 'react';

import form from './form.module.css';

/** Says what is wrong with what was asked, and comes into view when it appears; nothing where text is empty. */
export function Problem({ text }: { text: string }) {
  const ref = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    ref.current?.scrollIntoView({ block: 'nearest' }); // which returns a promise in some browsers
  }, [text]);
  if (text === '') return null;
  return (
    <p ref={ref} role="alert" className={form.problem}>
      {text}
    </p>
  );
}
