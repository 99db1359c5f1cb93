import { asSentence } from '../ui/sentences';
import type { FieldFault } from './types.gen';

/** What the control plane answered when it did not do what was asked. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    /** The HTTP status; 0 when no answer came at all. */
    readonly status: number,
    /** A stable word such as "not_found"; "unreachable" when no answer came. */
    readonly code: string,
    message: string,
    /** What is wrong with fields of what was sent, by their paths. */
    readonly fields: readonly FieldFault[] = [],
  ) {
    super(message);
  }
}

/** Whether nobody is signed in (any more). */
export function isSignedOut(error: unknown): boolean {
  return error instanceof ApiError && error.status === 401;
}

/** Whether the control plane could not be reached. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof ApiError && error.status === 0;
}

/** A sentence for people, whatever went wrong. */
export function messageOf(error: unknown): string {
  return asSentence(error instanceof Error ? error.message : String(error));
}

const listeners = new Set<() => void>();

/** Calls listener each time that an answer says that nobody is signed in. */
export function onSignedOut(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

interface Options {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  body?: unknown;
  /** Sent as it is, in place of body. */
  file?: Blob;
  /** What is the same when it is sent once more: the control plane then does it once. */
  idempotencyKey?: string;
  signal?: AbortSignal | undefined;
}

/** Sends a request and returns the response once it is a good one. */
export async function request(path: string, { method = 'GET', body, file, idempotencyKey, signal }: Options = {}): Promise<Response> {
  const headers: Record<string, string> = {};
  const init: RequestInit = { method, credentials: 'same-origin', cache: 'no-store', headers, signal: signal ?? null };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    headers['Content-Type'] = 'application/json';
  }
  if (file !== undefined) {
    init.body = file;
    headers['Content-Type'] = 'application/octet-stream';
  }
  if (idempotencyKey !== undefined) headers['Idempotency-Key'] = `"${idempotencyKey}"`;
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, 'unreachable', 'The control plane cannot be reached.');
  }
  if (response.ok) return response;
  throw await errorOf(response);
}

/** Sends a request and returns the JSON that came back. */
export async function call<T>(path: string, options?: Options): Promise<T> {
  const response = await request(path, options);
  try {
    return (await response.json()) as T;
  } catch {
    throw new ApiError(0, 'unreachable', 'The answer of the control plane broke off.');
  }
}

async function errorOf(response: Response): Promise<ApiError> {
  let code = 'internal';
  let message = `The control plane answered with status ${response.status}.`;
  let fields: FieldFault[] = [];
  try {
    const told = (await response.json()) as { error?: unknown; code?: unknown; fields?: unknown };
    if (Array.isArray(told.fields)) fields = told.fields as FieldFault[];
    if (typeof told.error === 'string') message = told.error;
    if (typeof told.code === 'string') code = told.code;
  } catch {
    // What stands between may answer with something else; the status is enough.
  }
  const error = new ApiError(response.status, code, message, fields);
  if (isSignedOut(error)) for (const listener of listeners) listener();
  return error;
}
