import { create } from 'zustand';

import type { Carrier, Failure, Reports, Wanted } from './carrier';
import { carryInPieces, type Unfinished } from './pieces';

/** A model on its way from this browser, which goes on in whatever room one is. */
export interface Transfer {
  id: number;
  name: string; // of the model
  files: number;
  sizeBytes: number;
  sentBytes: number;
  bytesPerSecond: number; // lately; 0 is not known
  state: 'sending' | 'paused' | 'done' | 'failed';
  failure?: Failure; // of one that failed
  modelId: string; // of one that is done; may be empty
  url: string; // where the bytes go; empty while that is not known
}

export const useTransfers = create<{ list: readonly Transfer[] }>(() => ({ list: [] }));

const carriers = new Map<number, Carrier>();
let last = 0;

/** Begins to upload the files of a model, in their order, or goes on with an upload of before. */
export function beginTransfer(files: readonly File[], wanted: Wanted, from?: Unfinished): void {
  const id = ++last;
  const rate = new Rate();
  const reports: Reports = {
    onSent: (bytes) => change(id, { sentBytes: bytes, bytesPerSecond: rate.after(performance.now(), bytes) }),
    onDone: (modelId) => {
      carriers.delete(id);
      change(id, { state: 'done', modelId, bytesPerSecond: 0 });
    },
    onFailed: (failure) => change(id, { state: 'failed', failure, bytesPerSecond: 0 }),
    onAddress: (url) => change(id, { url }),
  };
  const carrier = carryInPieces(files, wanted, reports, from);
  carriers.set(id, carrier);
  window.addEventListener('beforeunload', ask);
  const sizeBytes = files.reduce((sum, { size }) => sum + size, 0);
  useTransfers.setState(({ list }) => ({
    list: [{ id, name: wanted.name, files: files.length, sizeBytes, sentBytes: 0, bytesPerSecond: 0, state: 'sending', modelId: '', url: from?.url ?? '' }, ...list],
  }));
  carrier.start();
}

export function pauseTransfer(id: number): void {
  carriers.get(id)?.pause();
  change(id, { state: 'paused', bytesPerSecond: 0 });
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
  carriers.delete(id);
  useTransfers.setState(({ list }) => ({ list: list.filter((one) => one.id !== id) }));
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
