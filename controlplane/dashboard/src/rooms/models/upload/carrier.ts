import type { Role } from '../../../api/session';

/** What is said of a model that is uploaded. */
export interface Wanted {
  name: string;
  description: string;
  storage: string; // empty is the one for which nobody has to ask
  quantize: string; // what hosts are to quantise it to; empty leaves it as it is
  hosts: readonly string[]; // ids; or allHosts alone; empty is none for now
}

/** Who may upload. */
export const uploadRole: Role = 'operator';

/** What a carrier tells of its way. */
export interface Reports {
  /** The bytes that have gone so far. */
  onSent(bytes: number): void;
  /** Nothing gets through. It goes on by itself as soon as something does, unless it fails. */
  onWaiting(): void;
  /** Every byte is there. The id is the model's, empty where it was not told. */
  onDone(modelId: string): void;
  onFailed(failure: Failure): void;
  /** Where the bytes go, once that is known. */
  onAddress(url: string): void;
}

/** Why the bytes go no further. */
export interface Failure {
  message: string; // sentences
  /** Going on may help, from where it was or from the beginning. */
  again: boolean;
  /** Nothing gets to the control plane: it is gone on with by itself when it is back. */
  away?: true;
}

/** Carries files of one model to the control plane. */
export interface Carrier {
  /** Begins, and goes on after a pause or a failure. */
  start(): void;
  /** Tries at once, where it waits to try again. */
  hurry(): void;
  /** Stops for now. */
  pause(): void;
  /** Stops for good, and has the control plane forget what has come. */
  cancel(): Promise<void>;
}
