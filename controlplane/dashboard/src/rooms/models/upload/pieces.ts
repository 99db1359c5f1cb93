import type { DetailedError, PreviousUpload, Upload } from 'tus-js-client';

import { ApiError, isUnreachable, request } from '../../../api/client';
import type { Carrier, Reports, Wanted } from './carrier';
import { failureOf, refusalOf, sentenceIn } from './failure';
import { forgiving, shortened } from './kept';

// The client is loaded when there is something to upload.
const load = () => import('tus-js-client');

const path = '/api/uploads';

/** What an interruption may last before somebody has to go on by hand, in milliseconds: pauses between tries. */
const retryDelays = [500, 1000, 2000, 4000, 8000, 15_000, 30_000, 30_000, 30_000];

/** The pauses before an upload is announced again whose announcement nobody answered, in milliseconds. */
const announcePauses = [250, 750];

/** An upload that this browser knows of and did not come to an end. */
export interface Unfinished {
  stored: PreviousUpload; // as the client keeps it
  url: string;
  wanted: Wanted; // as it was said when it began
  files: readonly FileSaid[]; // in the order in which their bytes go
  sizeBytes: number;
}

/** What is said of a file before its bytes come. */
export interface FileSaid {
  filename: string;
  size: number; // bytes
}

/**
 * Carries the files of a model in pieces, one after the other as one upload of tus. It
 * goes on where it was after a broken line, a restart of either side, and when the same
 * files are chosen again after a reload.
 */
export function carryInPieces(files: readonly File[], wanted: Wanted, reports: Reports, from?: Unfinished): Carrier {
  const announcement = announcementOf(files, wanted);
  const announced = JSON.stringify(announcement);
  let before = from?.stored;
  let opened: Promise<Upload> | undefined;
  let key = newKey(); // of the announcement, of which the answer may be lost
  let turn = 0; // counts starts and stops, of which the last one holds

  const open = async (): Promise<Upload> => {
    const client = await load();
    let resumed = false; // an upload of before, which may have gone since
    // A blob of files reads them when their bytes are sent, and no sooner.
    const upload = new client.Upload(new Blob([...files]), {
      retryDelays,
      removeFingerprintOnSuccess: true,
      metadata: { announced },
      urlStorage: forgiving(client.defaultOptions.urlStorage),
      fingerprint: () => Promise.resolve(shortened(JSON.stringify([announced, files.map(({ lastModified }) => lastModified)]))),
      onShouldRetry: ({ originalResponse }) => {
        const again = mayPass(originalResponse?.getStatus() ?? 0);
        if (again) reports.onWaiting();
        return again;
      },
      onProgress: (sent) => reports.onSent(sent),
      onUploadUrlAvailable: () => {
        resumed = false;
      },
      onSuccess: ({ lastResponse }) => reports.onDone(lastResponse.getHeader('Corral-Model') ?? ''),
      onError: (error) => {
        const response = 'originalResponse' in error ? error.originalResponse : null;
        const status = response?.getStatus() ?? 0;
        const stopped = () => reports.onFailed(failureOf(status, sentenceIn(response?.getBody() ?? '')));
        if (!isGone(status)) {
          stopped();
          return;
        }
        opened = undefined;
        before = undefined;
        key = newKey();
        forgetHere(upload.url).then(resumed ? start : stopped, stopped);
      },
    });
    before ??= (await upload.findPreviousUploads()).find(({ metadata }) => metadata['announced'] === announced);
    if (before === undefined) {
      upload.url = await announce(announcement, key);
    } else {
      upload.resumeFromPreviousUpload(before);
      resumed = true;
    }
    if (upload.url !== null) reports.onAddress(upload.url);
    return upload;
  };
  const start = () => {
    const mine = ++turn;
    opened ??= open();
    opened.then(
      (upload) => {
        if (mine === turn) upload.start();
      },
      (error: unknown) => {
        opened = undefined;
        if (mine === turn) reports.onFailed(refusalOf(error));
      },
    );
  };
  const stop = async (): Promise<string | null> => {
    turn++;
    const upload = await opened?.catch(() => undefined);
    await upload?.abort();
    return upload?.url ?? null;
  };
  const hurry = async (): Promise<void> => {
    const mine = turn;
    const upload = await opened?.catch(() => undefined);
    if (mine !== turn) return;
    await upload?.abort();
    if (mine === turn) upload?.start();
  };
  return {
    start,
    hurry: () => void hurry(),
    pause: () => void stop(),
    async cancel() {
      const url = await stop();
      if (url !== null) await forget(url);
    },
  };
}

/** What the control plane is told of an upload before it begins. */
interface Announcement extends Wanted {
  files: readonly FileSaid[];
}

function announcementOf(files: readonly File[], wanted: Wanted): Announcement {
  return { ...wanted, files: files.map(({ name, size }) => ({ filename: name, size })) };
}

/** Asks whether such an upload would be taken, and begins none. It fails with why not. */
export async function checkUpload(files: readonly File[], wanted: Wanted): Promise<void> {
  try {
    await request(path, { method: 'POST', body: { ...announcementOf(files, wanted), check: true } });
  } catch (error) {
    throw new Error(refusalOf(error).message, { cause: error });
  }
}

function newKey(): string {
  return [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(36)).join('-');
}

/** Announces an upload, and returns where its bytes go. Under the same key it is the same upload. */
async function announce(announcement: Announcement, key: string): Promise<string> {
  for (const pause of announcePauses) {
    try {
      return await announceOnce(announcement, key);
    } catch (error) {
      if (!isUnreachable(error)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  return announceOnce(announcement, key);
}

async function announceOnce(announcement: Announcement, key: string): Promise<string> {
  const answer = await request(path, { method: 'POST', body: announcement, idempotencyKey: key });
  const url = answer.headers.get('Location');
  if (url === null) throw new ApiError(answer.status, 'internal', 'The control plane does not say where the bytes go.');
  return url;
}

/** Whether what an answer's status says may pass by itself soon. */
function mayPass(status: number): boolean {
  return status === 0 || (status >= 500 && status !== 507) || status === 409 || status === 423 || status === 429 || status === 460;
}

/** Whether an answer's status says that there is no such upload any more. */
function isGone(status: number): boolean {
  return status === 404 || status === 410;
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
  return all.flatMap((stored) => {
    const announcement = announcementIn(stored.metadata['announced']);
    if (stored.uploadUrl === null || announcement === undefined) return [];
    const { files, ...wanted } = announcement;
    return [{ stored, url: stored.uploadUrl, wanted, files, sizeBytes: stored.size ?? 0 }];
  });
}

/** The announcement in what is kept of an upload; undefined where somebody else keeps it. */
function announcementIn(text = ''): Announcement | undefined {
  try {
    return JSON.parse(text) as Announcement;
  } catch {
    return undefined;
  }
}

/** Forgets an upload, here and at the control plane. */
export async function forget(url: string): Promise<void> {
  const { Upload } = await load();
  try {
    await Upload.terminate(url, { retryDelays: null });
  } catch (error) {
    const status = (error as Partial<DetailedError>).originalResponse?.getStatus() ?? 0;
    if (!isGone(status)) throw new Error(failureOf(status).message, { cause: error });
  }
  await forgetHere(url);
}

/** Forgets an upload in this browser. */
async function forgetHere(url: string | null): Promise<void> {
  const { urlStorage } = (await load()).defaultOptions;
  for (const { uploadUrl, urlStorageKey } of await urlStorage.findAllUploads()) if (uploadUrl === url) await urlStorage.removeUpload(urlStorageKey);
}
