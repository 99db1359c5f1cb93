import type { UrlStorage } from 'tus-js-client';

/**
 * Keeps which uploads there are where storage does, and goes without where it can't:
 * a browser that keeps nothing, or has no room left, uploads all the same, and only
 * does not know of it after a reload.
 */
export function forgiving(storage: UrlStorage): UrlStorage {
  return {
    findAllUploads: () => storage.findAllUploads(),
    findUploadsByFingerprint: (fingerprint) => storage.findUploadsByFingerprint(fingerprint),
    removeUpload: (key) => storage.removeUpload(key),
    async addUpload(fingerprint, upload) {
      try {
        return await storage.addUpload(fingerprint, upload);
      } catch {
        return ''; // under which there is nothing to remove
      }
    },
  };
}

/**
 * A short stand-in for a text, by which it is found again; another text seldom has the same.
 * It is the text's FNV-1a of 64 bits, http://www.isthe.com/chongo/tech/comp/fnv/: browsers
 * make better digests only where a page came over TLS.
 */
export function shortened(text: string): string {
  let hash = 14695981039346656037n;
  for (const byte of new TextEncoder().encode(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 1099511628211n);
  return hash.toString(36);
}
