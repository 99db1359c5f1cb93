/** The most characters of one line that are kept. */
const maxLine = 16_384;

/**
 * Cuts a stream of text into lines. What comes after the last line break waits
 * for the rest of its line; an overlong line is cut.
 */
export class Splitter {
  private rest = '';

  /** Returns the lines that are whole now. */
  push(text: string): string[] {
    const lines = (this.rest + text).split('\n');
    this.rest = (lines.pop() ?? '').slice(0, maxLine);
    return lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line).slice(0, maxLine));
  }

  /** Returns what is left when the stream has ended. */
  end(): string[] {
    const last = this.rest;
    this.rest = '';
    return last === '' ? [] : [last];
  }
}
