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

/** Says why an upload stopped: of an answer's status, 0 without one, and its body. */
export function failureOf(status: number, body = ''): Failure {
  if (status === 0) return { message: 'The control plane can’t be reached. Go on when it is back.', again: true };
  const lead = leads[status] ?? '';
  const told = sentenceIn(body);
  const rest = told === '' ? (lead === '' ? `The control plane answered with status ${status}.` : '') : asSentence(told);
  return { message: [lead, rest].filter(Boolean).join(' '), again: status >= 500 || passing.has(status) };
}

function sentenceIn(body: string): string {
  try {
    const { error } = JSON.parse(body) as { error?: unknown };
    return typeof error === 'string' ? error : '';
  } catch {
    return ''; // what stands between may answer with something else
  }
}
