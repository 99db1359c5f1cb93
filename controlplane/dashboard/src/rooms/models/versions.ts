import type { ModelInfo, Residency } from '../../api/types.gen';

/** One of the contents that a name stands for, with the instances that hold it. */
export interface Version {
  digest: string;
  /** Whether a call that names no digest goes to it. */
  chosen: boolean;
  residencies: Residency[];
}

/** The versions of a model: the one that is called first, then those on most instances. */
export function versionsOf({ digest, digests, residencies }: ModelInfo): Version[] {
  const all = [...new Set([digest, ...digests, ...residencies.map((one) => one.digest)])];
  return all.map((one) => ({
    digest: one,
    chosen: one === digest,
    residencies: residencies.filter((residency) => residency.digest === one),
  }));
}

/** Enough of a digest to tell it from others. */
export function shortDigest(digest: string): string {
  return digest.replace(/^sha256:/, '').slice(0, 12);
}
