import type { Entry } from './buffer';

/** Has the browser save lines as a text file. */
export function save(name: string, lines: readonly Entry[]): void {
  const address = URL.createObjectURL(new Blob(lines.map(({ text }) => `${text}\n`), { type: 'text/plain' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
}
