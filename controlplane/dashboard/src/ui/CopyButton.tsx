import { useEffect, useState } from 'react';

import { Button } from './Button';

type State = 'idle' | 'copied' | 'failed';

/** Copies a text, and says whether that worked: pages served without TLS may not. */
export function CopyButton({ text, label = 'Copy' }: { text: string; label?: string }) {
  const [state, setState] = useState<State>('idle');
  useEffect(() => {
    if (state === 'idle') return;
    const timer = setTimeout(() => setState('idle'), 2000);
    return () => clearTimeout(timer);
  }, [state]);
  return (
    <Button onClick={() => void copy(text).then((done) => setState(done ? 'copied' : 'failed'))}>
      <span aria-live="polite">{state === 'idle' ? label : state === 'copied' ? 'Copied' : 'Select it and press Ctrl+C'}</span>
    </Button>
  );
}

async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
