import type { DetailedError, PreviousUpload, Upload } from 'tus-js-client';

import type { Carrier, Reports, Wanted } from './carrier';
import { failureOf } from './failure';

// The client is loaded when there is something to upload.
const load = () => import('tus-js-client');

const path = '/api/uploads';

/** What an interruption may last before somebody has to go on by hand, in milliseconds: pauses between tries. */
const retryDelays = [500, 1000, 2000, 4000, 8000, 15_000, 30_000, 30_000, 30_000];

/** An upload that this browser knows of and did not come to an end. */
export interface Unfinished {
  key: string;
  url: string;
  wanted: Wanted; // as it was said when it began
  filename: string;
  sizeBytes: number;
  begunAt: string;
}

/**
 * Carries a file in pieces, by tus. It goes on where it was after a broken line, a
 * restart of either side, and when the same file is chosen again after a reload.
 */
export function carryInPieces(file: File, wanted: Wanted, reports: Reports, from?: Unfinished): Carrier {
  let upload: Upload | undefined;
  let stopped = false;
  let resumed = false; // from an upload of before, which may have gone since
  const begin = async () => {
    const client = await load();
    const made = new client.Upload(file, {
      endpoint: path,
      retryDelays,
      removeFingerprintOnSuccess: true,
      metadata: metadataOf(file, wanted),
      onShouldRetry: ({ originalResponse }) => mayPass(originalResponse?.getStatus() ?? 0),
      onProgress: (sent) => reports.onSent(sent),
      onUploadUrlAvailable: () => {
        // With an endpoint the client would begin anew wherever it can't ask how far it was.
        made.options.endpoint = null;
        if (made.url !== null) reports.onAddress?.(made.url);
        resumed = false;
      },
      onSuccess: ({ lastResponse }) => reports.onDone(lastResponse.getHeader('Corral-Model') ?? ''),
      onError: (error) => {
        const response = 'originalResponse' in error ? error.originalResponse : null;
        const status = response?.getStatus() ?? 0;
        if (status === 404 || status === 410) {
          made.url = null;
          made.options.endpoint = path;
          if (resumed) {
            resumed = false;
            made.start();
            return;
          }
        }
        reports.onFailed(failureOf(status, response?.getBody()));
      },
    });
    const before = from === undefined ? (await made.findPreviousUploads()).find((one) => isSame(one, wanted)) : previousOf(from);
    if (before !== undefined) {
      made.resumeFromPreviousUpload(before);
      made.options.endpoint = null;
      resumed = true;
    }
    return made;
  };
  return {
    start() {
      stopped = false;
      const go = async () => {
        upload ??= await begin();
        if (!stopped) upload.start();
      };
      go().catch(() => reports.onFailed(failureOf(0)));
    },
    pause() {
      stopped = true;
      void upload?.abort();
    },
    async cancel() {
      stopped = true;
      await upload?.abort(true);
    },
  };
}

function metadataOf(file: File, { name, description, storage, quantize, hosts }: Wanted): Record<string, string> {
  const all = { filename: file.name, name, description, storage, quantize, hosts: hosts.join(',') };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''));
}

/** The inverse of metadataOf, for what is of the model. */
function wantedOf({ name = '', description = '', storage = '', quantize = '', hosts = '' }: Partial<Record<string, string>>): Wanted {
  return { name, description, storage, quantize, hosts: hosts === '' ? [] : hosts.split(',') };
}

/** Whether what was begun before is what is wanted now: another name makes another model. */
function isSame({ metadata }: PreviousUpload, { name, storage, quantize }: Wanted): boolean {
  return metadata['name'] === name && (metadata['storage'] ?? '') === storage && (metadata['quantize'] ?? '') === quantize;
}

/** An unfinished upload as the client has it. */
function previousOf({ key, url, sizeBytes, begunAt }: Unfinished): PreviousUpload {
  return { urlStorageKey: key, uploadUrl: url, size: sizeBytes, metadata: {}, creationTime: begunAt, parallelUploadUrls: null };
}

/** Whether what an answer's status says may pass by itself soon. */
function mayPass(status: number): boolean {
  return status === 0 || (status >= 500 && status !== 507) || status === 409 || status === 423 || status === 429 || status === 460;
}

/** The uploads that this browser began and that did not come to an end. */
export async function unfinished(): Promise<Unfinished[]> {
  try {
    if (!Object.keys(localStorage).some((key) => key.startsWith('tus::'))) return [];
  } catch {
    return []; // a browser that keeps nothing has nothing
  }
  const { defaultOptions } = await load();
  const all = await defaultOptions.urlStorage.findAllUploads();
  return all.flatMap(({ urlStorageKey: key, uploadUrl: url, size, metadata, creationTime: begunAt }) =>
    url === null ? [] : [{ key, url, wanted: wantedOf(metadata), filename: metadata['filename'] ?? '', sizeBytes: size ?? 0, begunAt }],
  );
}

/** Forgets an unfinished upload, here and at the control plane. */
export async function forget({ key, url }: Unfinished): Promise<void> {
  const { defaultOptions, Upload } = await load();
  try {
    await Upload.terminate(url, { retryDelays: null });
  } catch (error) {
    const status = (error as Partial<DetailedError>).originalResponse?.getStatus() ?? 0;
    if (status !== 404 && status !== 410) throw new Error(failureOf(status).message, { cause: error });
  }
  await defaultOptions.urlStorage.removeUpload(key);
}
