import { useEffect, useRef } from 'react';

/** The keys that work everywhere, as the sheet lists them. */
export const shortcuts = [
  { keys: '?', what: 'this list' },
  { keys: '/', what: 'search on this page' },
  { keys: 'g f', what: 'go to the fleet' },
  { keys: 'g m', what: 'go to the models' },
  { keys: 'g o', what: 'go to the operations' },
  { keys: 'g s', what: 'go to the storage' },
  { keys: 'g c', what: 'go to the chat' },
  { keys: '[ and ]', what: 'the host before and after' },
  { keys: 'Esc', what: 'close what is open' },
] as const;

/** How long the second key of a pair may take, in milliseconds. */
const pairMs = 1200;

/**
 * Calls the action of a key or of a pair such as "g f". Keys that are typed into
 * a field, are part of an input method, or have a modifier are left alone.
 */
export function useShortcuts(actions: Readonly<Record<string, () => void>>): void {
  const latest = useRef(actions);
  useEffect(() => {
    latest.current = actions;
  });
  useEffect(() => {
    let first = '';
    let firstAt = 0;
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target instanceof Element && event.target.closest('input, textarea, select, dialog, [contenteditable]')) return;
      const pair = event.timeStamp - firstAt < pairMs ? `${first} ${event.key}` : '';
      const action = latest.current[pair] ?? latest.current[event.key];
      first = event.key;
      firstAt = event.timeStamp;
      if (action === undefined) return;
      event.preventDefault();
      action();
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, []);
}

/** Puts the focus into the page's search field, where there is one. */
export function focusSearch(): void {
  document.querySelector<HTMLInputElement>('input[type="search"]')?.focus();
}
