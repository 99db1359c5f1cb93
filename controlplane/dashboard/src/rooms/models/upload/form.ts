import type { Carrier, Reports, Wanted } from './carrier';
import { failureOf } from './failure';

/**
 * Carries several files that are one model, in a single form. What is interrupted
 * begins again: the control plane makes one model of one request.
 */
export function carryInForm(files: readonly File[], wanted: Wanted, reports: Reports): Carrier {
  let request: XMLHttpRequest | undefined;
  return {
    start() {
      const body = new FormData();
      // What can refuse the files comes before them.
      for (const field of ['name', 'description', 'storage', 'quantize'] as const) if (wanted[field] !== '') body.append(field, wanted[field]);
      for (const host of wanted.hosts) body.append('hosts', host);
      for (const file of files) body.append('file', file, file.name);
      const sending = new XMLHttpRequest(); // fetch does not tell how much has gone
      request = sending;
      sending.upload.onprogress = ({ loaded }) => reports.onSent(loaded);
      sending.onerror = () => reports.onFailed(failureOf(0));
      sending.onload = () => {
        if (sending.status < 300) reports.onDone(idIn(sending.responseText));
        else reports.onFailed(failureOf(sending.status, sending.responseText));
      };
      sending.open('POST', '/api/models');
      sending.send(body);
    },
    cancel() {
      request?.abort();
      return Promise.resolve();
    },
  };
}

function idIn(body: string): string {
  try {
    const { id } = JSON.parse(body) as { id?: unknown };
    return typeof id === 'string' ? id : '';
  } catch {
    return '';
  }
}
