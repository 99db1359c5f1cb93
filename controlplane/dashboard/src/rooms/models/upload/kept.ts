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

/** A short stand-in for a text, by which it is found again; another text seldom has the same. */
export function shortened(text: string): string {
  let [a, b] = [0xdeadbeef, 0x41c6ce57];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 2654435761);
    b = Math.imul(b ^ unit, 1597334677);
  }
  return [a, b].map((half) => (half >>> 0).toString(36)).join('-');
}
