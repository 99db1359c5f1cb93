import { useSyncExternalStore } from 'react';

import { duration } from './units';

const local = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

function utc(at: Date): string {
  return `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** A moment in local time, with UTC on hover. */
export function Time({ at }: { at: string }) {
  const date = new Date(at);
  return (
    <time dateTime={at} title={utc(date)}>
      {local.format(date)}
    </time>
  );
}

// One clock for the whole page, which runs only while something shows an age.
const watchers = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;
let now = Date.now();

function watch(changed: () => void): () => void {
  watchers.add(changed);
  timer ??= setInterval(() => {
    if (document.hidden) return;
    now = Date.now();
    for (const watcher of watchers) watcher();
  }, 1000);
  return () => {
    watchers.delete(changed);
    if (watchers.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** The time now in milliseconds since the epoch, which goes on by the second. */
export function useNow(): number {
  return useSyncExternalStore(watch, () => {
    if (timer === undefined) now = Date.now();
    return now;
  });
}

/** How long ago a moment was, with the moment itself on hover. */
export function Ago({ at }: { at: string }) {
  const date = new Date(at);
  const seconds = Math.max(0, (useNow() - date.getTime()) / 1000);
  return (
    <time dateTime={at} title={`${local.format(date)}\n${utc(date)}`}>
      {seconds < 2 ? 'just now' : `${duration(Math.floor(seconds))} ago`}
    </time>
  );
}
