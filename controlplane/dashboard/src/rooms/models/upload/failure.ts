import { ApiError } from '../../../api/client';
import { asSentence } from '../../../ui/sentences';
import type { Failure } from './carrier';

/** What comes before the server's own sentence, by the status of its answer. */
const leads: Record<number, string> = {
  401: 'You are signed out. Sign in, and go on.',
  403: 'Only operators may upload models.',
  404: 'The control plane no longer has what was sent. Going on begins again.',
  409: 'That can’t be taken in now.',
  410: 'The upload is over. Going on begins again.',
  413: 'It is too large.',
  423: 'Somebody else sends the same upload.',
  429: 'The control plane has too much to do.',
  507: 'There is no room for it.',
};

/** These may pass, or somebody can see to it. */
const passing = new Set([401, 404, 409, 410, 423, 429, 460]);

/** Says why an upload stopped: of an answer's status, 0 without one, and the server's sentence in it. */
export function failureOf(status: number, told = ''): Failure {
  if (status === 0) return { message: 'The control plane can’t be reached.', again: true, away: true };
  const lead = leads[status] ?? '';
  const rest = told === '' ? (lead === '' ? `The control plane answered with status ${status}.` : '') : asSentence(told);
  return { message: [lead, rest].filter(Boolean).join(' '), again: status >= 500 || passing.has(status) };
}

/** Says why an upload did not begin. */
export function refusalOf(error: unknown): Failure {
  if (!(error instanceof ApiError)) return failureOf(0);
  // Where nothing was sent yet, it is a storage or a host that is not there.
  if (error.status === 404) return { message: asSentence(error.message), again: true };
  return failureOf(error.status, error.message);
}

/** What the server says in the body of an answer; empty where that is none of ours. */
export function sentenceIn(body: string): string {
  try {
    const { error } = JSON.parse(body) as { error?: unknown };
    return typeof error === 'string' ? error : '';
  } catch {
    return ''; // what stands between may answer with something else
  }
}
