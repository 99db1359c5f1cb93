import { useEffect, useState, useSyncExternalStore } from 'react';

import { type Entry, LogBuffer, type Shown } from './buffer';
import { follow, type Following } from './follow';

/** Follows the log of an instance while the page is looked at. For another instance it has to be used by a component of its own. */
export function useLog(host: string, instance: string): { shown: Shown; following: Following; retry: () => void } {
  const [buffer] = useState(() => new LogBuffer());
  const [following, setFollowing] = useState<Following>({ phase: 'connecting' });
  const [attempt, setAttempt] = useState(0);
  const shown = useSyncExternalStore(buffer.subscribe, buffer.shown);

  useEffect(() => {
    const address = (lines: number) =>
      `/api/hosts/${encodeURIComponent(host)}/logs?${new URLSearchParams({ instance, lines: String(lines), follow: 'true' })}`;
    let abort: AbortController | undefined;
    const look = () => {
      if (document.hidden) {
        abort?.abort();
        abort = undefined;
      } else if (abort === undefined) {
        abort = new AbortController();
        void follow(address, buffer, setFollowing, abort.signal);
      }
    };
    document.addEventListener('visibilitychange', look);
    look();
    return () => {
      document.removeEventListener('visibilitychange', look);
      abort?.abort();
    };
  }, [host, instance, buffer, attempt]);

  return { shown, following, retry: () => setAttempt((n) => n + 1) };
}

/** The entries with a text in them, whatever its capitals. Marks always stay. */
export function filtered(entries: readonly Entry[], q: string): readonly Entry[] {
  const wanted = q.toLowerCase();
  return wanted === '' ? entries : entries.filter(({ text, mark }) => mark === true || text.toLowerCase().includes(wanted));
}
