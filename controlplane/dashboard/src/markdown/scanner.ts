import { closes, type Fence, fenceOf, indentOf, isBlank, isItem, isTableHead } from './syntax';

/** A part of a text in Markdown that can be rendered without the others. */
export interface Block {
  kind: 'markdown' | 'code';
  /** Of code, without its fences. */
  source: string;
  /** Of code, as its fence names it; else empty. */
  language: string;
  /** Whether it is more of the same list, table or paragraph as the block before it. */
  continued: boolean;
}

/** Lists and tables are cut after so many characters, where an item or a row begins. */
const softLimit = 2048;

/** Everything else but code is cut after so many characters, where a line begins. */
export const hardLimit = 4096;

/** The block that lines are being added to. */
interface Current extends Block {
  list: boolean;
  /** Set in code, and in the code of a list's item. */
  fence: Fence | null;
  afterBlank: boolean;
  firstLine: string;
  lines: number;
  /** The head of a table, which its later parts show again. */
  head: string;
  /** How many spaces are taken off each line, since what they were deep in was cut off. */
  shift: number;
}

/** Finds, line by line, where the blocks of a text begin and end. */
export class Scanner {
  private complete: Block[] = [];
  private current: Current | null = null;

  /** Another one that has seen the same lines. */
  copy(): Scanner {
    const copy = new Scanner();
    copy.complete = this.complete.slice();
    copy.current = this.current && { ...this.current };
    return copy;
  }

  /** The blocks so far. All but the last stay the same objects, whatever comes. */
  blocks(): readonly Block[] {
    return this.current === null ? this.complete : [...this.complete, blockOf(this.current)];
  }

  take(line: string): void {
    const { current } = this;
    if (current === null) {
      if (!isBlank(line)) this.begin(line);
    } else if (current.kind === 'code') {
      if (current.fence && closes(line, current.fence, current.continued ? Infinity : 3)) this.finish();
      else add(current, line);
    } else if (current.list && current.fence !== null && indentOf(line) > 0) {
      this.takeItemsCode(line, current, current.fence);
    } else if (isBlank(line)) {
      current.afterBlank = true;
      add(current, line);
    } else if (standsAlone(line, current)) {
      this.finish();
      this.begin(line);
    } else {
      if (current.source.length > limitOf(line, current)) this.cut(line, current);
      this.continue(line);
    }
  }

  /** Takes the part of a line that is too long to wait for its end. */
  takePart(part: string): void {
    if (this.current?.kind === 'code') {
      this.current.source += part;
      return;
    }
    this.take(part);
    if (this.current !== null) this.cut('', this.current);
  }

  private begin(line: string): void {
    const fence = fenceOf(line);
    const fresh = { source: '', continued: false, afterBlank: false, firstLine: line, lines: 0, head: '', shift: 0 };
    if (fence !== null && fence.indent <= 3 && !isItem(line)) {
      this.current = { ...fresh, kind: 'code', language: fence.language, list: false, fence };
      return;
    }
    const list = isItem(line);
    this.current = { ...fresh, kind: 'markdown', language: '', list, fence: list ? fence : null };
    add(this.current, line);
  }

  private continue(line: string): void {
    const { current } = this;
    if (current === null) return;
    current.afterBlank = false;
    current.fence = current.list ? fenceOf(line) : null;
    add(current, line);
    if (current.lines === 2 && !current.list && isTableHead(current.firstLine, line)) current.head = current.source;
  }

  private takeItemsCode(line: string, list: Current, fence: Fence): void {
    if (list.source.length > hardLimit) {
      this.finish();
      this.current = { ...list, kind: 'code', language: fence.language, source: '', continued: true, shift: fence.indent };
      this.take(line);
      return;
    }
    if (closes(line, fence, Infinity)) list.fence = null;
    add(list, line);
  }

  /** Ends a block before this line, which goes on in another one. */
  private cut(line: string, block: Current): void {
    this.finish();
    this.current = { ...block, source: block.head, continued: true, firstLine: line, lines: 0, shift: indentOf(line) };
  }

  private finish(): void {
    if (this.current !== null) this.complete.push(blockOf(this.current));
    this.current = null;
  }
}

function add(block: Current, line: string): void {
  block.source += line.slice(Math.min(block.shift, indentOf(line))) + '\n';
  block.lines++;
}

function limitOf(line: string, block: Current): number {
  return block.head !== '' || (block.list && isItem(line)) ? softLimit : hardLimit;
}

/** Whether a line that is not blank begins a block of its own. */
function standsAlone(line: string, block: Current): boolean {
  const fence = fenceOf(line);
  if (fence !== null && !isItem(line) && fence.indent <= (block.list ? 1 : 3)) return true;
  if (!block.afterBlank) return false;
  if (block.list) return !isItem(line) && indentOf(line) === 0;
  return indentOf(block.firstLine) < 4 || indentOf(line) < 4;
}

function blockOf({ kind, source, language, continued }: Current): Block {
  return { kind, source: kind === 'code' ? source.replace(/\n$/, '') : source, language, continued };
}
