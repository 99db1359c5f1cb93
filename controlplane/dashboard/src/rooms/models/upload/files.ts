import { bytes } from '../../../ui/units';
import type { FileSaid } from './pieces';

/** The files that an upload goes on with, in its order, of those that are chosen; or what is missing among them. */
export function chosenAgain(wanted: readonly FileSaid[], chosen: readonly File[]): File[] | string {
  const found = wanted.map(({ filename, size }) => chosen.find((file) => file.name === filename && file.size === size));
  if (found.every((file) => file !== undefined)) return found;
  const [first] = chosen;
  if (wanted.length === 1 && first !== undefined) return `That is another file: ${first.name} of ${bytes(first.size)}.`;
  const lacking = wanted.map(({ filename }) => filename).filter((_, i) => found[i] === undefined);
  const differs = (name: string) => chosen.some((file) => file.name === name);
  return [said(lacking.filter(differs), 'has', 'have', 'another size than before'), said(lacking.filter((name) => !differs(name)), 'is', 'are', 'missing')]
    .filter(Boolean)
    .join(' ');
}

function said(names: readonly string[], one: string, several: string, what: string): string {
  return names.length === 0 ? '' : `${listed(names)} ${names.length === 1 ? one : several} ${what}.`;
}

/** Names in a sentence, of which the first ones stand for many. */
export function listed(names: readonly string[]): string {
  const shown = names.length > 4 ? names.slice(0, 3) : names.slice(0, -1);
  const rest = names.length > 4 ? `${names.length - 3} more` : names.at(-1);
  return shown.length === 0 ? (rest ?? '') : `${shown.join(', ')} and ${rest ?? ''}`;
}

/** How much files are together, such as "2 files, 3.8 GiB". */
export function sizeOf(files: number, sizeBytes: number): string {
  return files === 1 ? bytes(sizeBytes) : `${files} files, ${bytes(sizeBytes)}`;
}
