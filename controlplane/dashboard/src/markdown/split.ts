import { type Block, hardLimit, Scanner } from './scanner';

/** How a text splits into blocks. It is a value: advance makes a new one. */
export interface Split {
  text: string;
  blocks: readonly Block[];
  /** What has seen all lines before position, which are whole. */
  scanned: Scanner;
  position: number;
}

export const nothing: Split = { text: '', blocks: [], scanned: new Scanner(), position: 0 };

/**
 * Splits text, of which before holds the beginning: only what was added is
 * looked at, and all blocks but the last few are the same objects as before.
 * Blocks end at blank lines and at fences, and long ones are cut, so that the
 * last one stays small however long the text is. The price is that a definition
 * of a link counts in its own block alone.
 */
export function advance(before: Split, text: string): Split {
  const from = text.startsWith(before.text) ? before : nothing;
  const scanned = from.scanned.copy();
  let { position } = from;
  for (;;) {
    const end = text.indexOf('\n', position);
    if (end !== -1 && end - position <= hardLimit) {
      scanned.take(text.slice(position, end).replace(/\r$/, ''));
      position = end + 1;
    } else if (text.length - position > hardLimit) {
      const cut = partEnd(text, position);
      scanned.takePart(text.slice(position, cut));
      position = cut;
    } else break;
  }
  const ahead = scanned.copy(); // the last line may go on
  if (position < text.length) ahead.take(text.slice(position));
  return { text, blocks: ahead.blocks(), scanned, position };
}

/** Where to cut a line that has no end in sight: after a space if there is one. */
function partEnd(text: string, position: number): number {
  const at = position + hardLimit;
  const space = text.lastIndexOf(' ', at - 1);
  if (space > position + hardLimit / 2) return space + 1;
  const last = text.charCodeAt(at - 1);
  return last >= 0xd800 && last < 0xdc00 ? at - 1 : at; // not within a character
}
