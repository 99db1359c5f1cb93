/** A fence around code. */
export interface Fence {
  indent: number;
  mark: string;
  language: string;
}

const fence = /^(\s*)((?:[-*+]|\d+[.)])\s+)?(`{3,}(?=[^`]*$)|~{3,})\s*(\S*)/;
const item = /^ ?(?:[-*+]|\d{1,9}[.)])(?:\s|$)/;
const delimiterRow = /^ {0,3}\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;

/** The fence that a line opens, be it within an item of a list. */
export function fenceOf(line: string): Fence | null {
  const found = fence.exec(line);
  if (found === null) return null;
  const [, indent = '', bullet = '', mark = '', language = ''] = found;
  return { indent: indent.length + bullet.length, mark, language };
}

/** Whether a line ends the code that a fence has begun. */
export function closes(line: string, { mark }: Fence, indentLimit: number): boolean {
  const rest = line.trim();
  if (rest.length < mark.length || rest !== mark.charAt(0).repeat(rest.length)) return false;
  return line.length - line.trimStart().length <= indentLimit;
}

/** Whether a line begins an item of a list that is in no other list. */
export function isItem(line: string): boolean {
  return item.test(line);
}

/** Whether two lines are the head of a table. */
export function isTableHead(names: string, line: string): boolean {
  return names.includes('|') && line.includes('-') && delimiterRow.test(line);
}

export function isBlank(line: string): boolean {
  return line.trim() === '';
}

export function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}
