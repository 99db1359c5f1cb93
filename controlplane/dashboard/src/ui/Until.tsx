import { Time, useNow } from './Time';
import { duration } from './units';

/** Beyond this, in seconds, a moment is as good as never: it is how Ollama writes that. */
const neverSeconds = 50 * 365 * 86_400;

/** How long it is until a moment; never says what stands for one that does not come. */
export function Until({ at, never }: { at: string; never: string }) {
  const seconds = (Date.parse(at) - useNow()) / 1000;
  if (seconds > neverSeconds) return never;
  if (seconds > 86_400) return <Time at={at} />;
  return <time dateTime={at}>{seconds < 1 ? 'now' : `in ${duration(Math.floor(seconds))}`}</time>;
}
