import { create } from 'zustand';

import { useLive } from '../../../live/store';
import type { Carrier, Failure, Reports, Wanted } from './carrier';
import { carryInPieces, type Unfinished } from './pieces';
import { Teller } from './windows';

/** A model on its way from this browser, which goes on in whatever room one is. */
export interface Transfer {
  id: number;
  name: string; // of the model
  files: number;
  sizeBytes: number;
  sentBytes: number;
  bytesPerSecond: number; // lately; 0 is not known
  state: 'sending' | 'paused' | 'done' | 'failed';
  waiting: boolean; // of one that is sending: nothing gets through just now
  failure?: Failure; // of one that failed
  modelId: string; // of one that is done; may be empty
  url: string; // where the bytes go; empty while that is not known
}

export const useTransfers = create<{ list: readonly Transfer[] }>(() => ({ list: [] }));

// Who carries each, until that is over, and what lets go of what it took to look after it.
const carriers = new Map<number, Carrier & { release(): void }>();
let last = 0;

/** After how long without a byte nothing gets through, in milliseconds. */
const stallMs = 4000;

/** Begins to upload the files of a model, in their order, or goes on with an upload of before. */
export function beginTransfer(files: readonly File[], wanted: Wanted, from?: Unfinished): void {
  const id = ++last;
  const sizeBytes = files.reduce((sum, { size }) => sum + size, 0);
  const rate = new Rate();
  const others = new Teller();
  let url = from?.url ?? '';
  let stall: ReturnType<typeof setTimeout> | undefined;
  const waits = () => {
    if (useTransfers.getState().list.some((one) => one.id === id && one.state === 'sending')) change(id, { waiting: true, bytesPerSecond: 0 });
  };
  const ended = (what: Partial<Transfer>) => {
    clearTimeout(stall);
    change(id, { ...what, waiting: false, bytesPerSecond: 0 });
  };
  const reports: Reports = {
    onSent: (bytes) => {
      clearTimeout(stall);
      if (bytes < sizeBytes) stall = setTimeout(waits, stallMs);
      change(id, { sentBytes: bytes, waiting: false, bytesPerSecond: rate.after(performance.now(), bytes) });
      others.tell(url, bytes);
    },
    onWaiting: waits,
    onDone: (modelId) => {
      release(id);
      ended({ state: 'done', modelId });
    },
    onFailed: (failure) => ended({ state: 'failed', failure }),
    onAddress: (now) => {
      url = now;
      change(id, { url });
    },
  };
  const carrier = carryInPieces(files, wanted, reports, from);
  const unwatch = useLive.subscribe((now, before) => {
    if (now.phase !== 'live' || before.phase === 'live') return;
    const how = useTransfers.getState().list.find((one) => one.id === id);
    if (how?.waiting === true) carrier.hurry();
    else if (how?.state === 'failed' && how.failure?.away === true) resumeTransfer(id);
  });
  carriers.set(id, {
    ...carrier,
    release() {
      clearTimeout(stall);
      others.close();
      unwatch();
    },
  });
  window.addEventListener('beforeunload', ask);
  useTransfers.setState(({ list }) => ({
    list: [{ id, name: wanted.name, files: files.length, sizeBytes, sentBytes: 0, bytesPerSecond: 0, state: 'sending', waiting: false, modelId: '', url }, ...list],
  }));
  carrier.start();
}

export function pauseTransfer(id: number): void {
  carriers.get(id)?.pause();
  change(id, { state: 'paused', waiting: false, bytesPerSecond: 0 });
}

/** Goes on with one that was paused, or failed. */
export function resumeTransfer(id: number): void {
  change(id, { state: 'sending' });
  carriers.get(id)?.start();
}

/** Ends an upload for good. It fails where the control plane does not hear of it. */
export async function cancelTransfer(id: number): Promise<void> {
  change(id, { state: 'paused', bytesPerSecond: 0 });
  try {
    await carriers.get(id)?.cancel();
  } finally {
    dismissTransfer(id); // where the control plane did not hear of it, it is one that did not end
  }
}

/** No longer shows one. */
export function dismissTransfer(id: number): void {
  release(id);
  useTransfers.setState(({ list }) => ({ list: list.filter((one) => one.id !== id) }));
}

function release(id: number): void {
  carriers.get(id)?.release();
  carriers.delete(id);
}

function change(id: number, what: Partial<Transfer>): void {
  useTransfers.setState(({ list }) => ({ list: list.map((one) => (one.id === id ? { ...one, ...what } : one)) }));
}

/** Over how long a rate is measured, in milliseconds. */
const windowMs = 5000;

/** How fast a number of bytes grows. */
class Rate {
  private points: { at: number; bytes: number }[] = [];

  /** The bytes a second of late, after there are so many; 0 while that can't be told. */
  after(at: number, bytes: number): number {
    this.points = [...this.points.filter((point) => at - point.at < windowMs && point.bytes <= bytes), { at, bytes }];
    const [first] = this.points;
    return first === undefined || at - first.at < 500 ? 0 : ((bytes - first.bytes) / (at - first.at)) * 1000;
  }
}

/** Asks before the page is left while something is on its way. */
function ask(event: BeforeUnloadEvent): void {
  if (useTransfers.getState().list.some(({ state }) => state === 'sending')) event.preventDefault();
}
