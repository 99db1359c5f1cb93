import { ApiError, request } from '../../../api/client';
import { backoffMs } from '../../../live/backoff';
import type { LogBuffer } from './buffer';
import { overlap } from './overlap';
import { Splitter } from './splitter';

/** How following a log goes. */
export type Following =
  | { phase: 'connecting' | 'live' }
  /** It broke off, and is tried again. */
  | { phase: 'waiting'; error: unknown }
  /** It was refused for a reason that goes on. */
  | { phase: 'refused'; error: unknown };

/** How many lines are asked for when it begins, and to find the place again after it broke off. */
const firstLines = 500;

/** Lines that come this soon after the beginning are old ones, in milliseconds. */
const tailMs = 300;

/** The most old lines that are held back while the place is looked for. */
const maxTail = 10_000;

/** However often it breaks off, this much time is between two tries, in milliseconds. */
const shortestPauseMs = 500;

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });

/**
 * Follows a log into a buffer until the signal is aborted, over and over again
 * when the stream breaks off. Where it did, a mark in the buffer says so.
 */
export async function follow(address: (lines: number) => string, buffer: LogBuffer, tell: (following: Following) => void, signal: AbortSignal): Promise<void> {
  let brokeOffAt: number | undefined;
  let failures = 0;
  while (!signal.aborted) {
    let error: unknown = new Error('The log ended.');
    try {
      tell({ phase: 'connecting' });
      const response = await request(address(firstLines), { signal });
      tell({ phase: 'live' });
      failures = 0;
      await read(response, new Resumption(buffer, brokeOffAt, signal));
    } catch (cause) {
      error = cause;
    }
    if (isAborted(signal)) return;
    if (error instanceof ApiError && isFinal(error)) {
      tell({ phase: 'refused', error });
      return;
    }
    if (failures === 0 && buffer.tail(1).length > 0) brokeOffAt = Date.now();
    failures++;
    tell({ phase: 'waiting', error });
    await pause(Math.max(shortestPauseMs, backoffMs(failures)), signal);
  }
}

/** Whether asking again would bring the same answer. */
function isFinal({ status }: ApiError): boolean {
  return (status >= 400 && status < 500) || status === 501;
}

/** Asks a signal that may have been aborted while something was waited for. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Reads a log to its end. */
async function read(response: Response, to: Resumption): Promise<void> {
  if (response.body === null) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const splitter = new Splitter();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      to.add(done ? splitter.end() : splitter.push(value));
      if (done) return;
    }
  } finally {
    to.settle();
    reader.cancel().catch(() => undefined); // what broke off has nothing more to say
  }
}

/**
 * Finds the place in a buffer where a log goes on that is read anew: it begins
 * with lines that are known already, and those are left out.
 */
class Resumption {
  private old: string[] | undefined = [];
  private readonly timer: ReturnType<typeof setTimeout>;

  constructor(
    private readonly buffer: LogBuffer,
    private readonly brokeOffAt: number | undefined,
    private readonly signal: AbortSignal,
  ) {
    this.timer = setTimeout(() => this.settle(), tailMs);
  }

  add(lines: readonly string[]): void {
    if (this.old === undefined) {
      this.buffer.add(lines);
      return;
    }
    for (const line of lines) this.old.push(line);
    if (this.old.length > maxTail) this.settle();
  }

  /** Takes what came so far to be all that is old. */
  settle(): void {
    clearTimeout(this.timer);
    const lines = this.old;
    this.old = undefined;
    if (lines === undefined || this.signal.aborted) return;
    const had = this.buffer.tail(firstLines);
    const known = overlap(had, lines);
    const whole = known > 0 || had.length === 0;
    if (this.brokeOffAt !== undefined) this.buffer.mark(brokeOff(this.brokeOffAt, whole));
    else if (!whole) this.buffer.mark('Nobody looked for a while; lines may be missing');
    this.buffer.add(lines.slice(known));
  }
}

function brokeOff(brokeOffAt: number, whole: boolean): string {
  const what = `The stream broke off at ${clock.format(brokeOffAt)} and came back at ${clock.format(Date.now())}`;
  return whole ? `${what}; no line is missing` : `${what}; lines may be missing`;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
  });
}
