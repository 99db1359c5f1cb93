import { describe, expect, it } from 'vitest';

import type { Block } from './scanner';
import { advance, nothing, type Split } from './split';

function split(text: string): readonly Block[] {
  return advance(nothing, text).blocks;
}

function sources(text: string): string[] {
  return split(text).map(({ source }) => source.trimEnd());
}

/** Splits a text that comes in pieces of so many characters. */
function inPieces(text: string, size: number): Split {
  let state = nothing;
  for (let end = size; end < text.length + size; end += size) state = advance(state, text.slice(0, end));
  return state;
}

describe('splitting into blocks', () => {
  it.each([
    ['paragraphs', 'a\nb\n\nc', ['a\nb', 'c']],
    ['windows lines', 'a\r\nb\r\n\r\nc', ['a\nb', 'c']],
    ['a list with blank lines', '- a\n\n- b\n\n  more\n\nend', ['- a\n\n- b\n\n  more', 'end']],
    ['a list at once after a paragraph', 'a\n- b', ['a\n- b']],
    ['indented code', '    a\n\n    b\n\nc', ['    a\n\n    b', 'c']],
    ['code between', 'a\n```js\nb\n\nc\n```\nd', ['a', 'b\n\nc', 'd']],
    ['code without an end', '```\na\n\nb', ['a\n\nb']],
    ['a longer fence around a shorter one', '````\n```\na\n```\n````\nb', ['```\na\n```', 'b']],
    ['code in an item', '- a\n\n  ```sh\n  b\n\n  c\n  ```\n- d', ['- a\n\n  ```sh\n  b\n\n  c\n  ```\n- d']],
    ['inline code that looks like a fence', '```a``` b\n\nc', ['```a``` b', 'c']],
    ['nothing', '\n\n', []],
  ])('finds %s', (_, text, blocks) => expect(sources(text)).toEqual(blocks));

  it('tells code and its language from the rest', () => {
    expect(split('~~~python title\nx\n~~~')).toEqual([{ kind: 'code', language: 'python', source: 'x', continued: false }]);
  });

  const long = {
    list: Array.from({ length: 10_000 }, (_, i) => `- item ${i}`).join('\n'),
    'nested list': `- top\n${'  - below\n'.repeat(3000)}`,
    table: `| a | b |\n|---|---|\n${'| cell | other |\n'.repeat(3000)}`,
    lines: 'a line of text\n'.repeat(3000),
    'one line': 'word '.repeat(10_000),
    'one word': '😀'.repeat(20_000),
    'code in an item': `- a\n  \`\`\`sh\n${'  echo\n'.repeat(3000)}  \`\`\`\n- b`,
    mixed: '# Title\n\ntext\n\n```go\nfunc f() {}\n```\n\n- a\n- b\n\n| a |\n|---|\n| b |\n\n'.repeat(100),
  };

  it.each(Object.entries(long))('cuts what is long: %s', (name, text) => {
    const markdown = split(text).filter(({ kind }) => kind === 'markdown');
    expect(Math.max(...markdown.map(({ source }) => source.length))).toBeLessThan(9000);
    if (name === 'one word') for (const { source } of split(text)) expect(() => encodeURIComponent(source)).not.toThrow(); // no half characters
  });

  it.each(Object.entries(long))('comes to the same in pieces: %s', (_, text) => {
    const sample = text.slice(0, 30_000);
    for (const size of [7, 64, 1000]) expect(inPieces(sample, size).blocks).toEqual(split(sample));
  });

  it('keeps what is complete as it is while more comes', () => {
    const first = advance(nothing, 'a\n\nb\n\nc');
    const second = advance(first, 'a\n\nb\n\nc and\n\nd');
    expect(second.blocks[0]).toBe(first.blocks[0]);
    expect(second.blocks[2]).not.toBe(first.blocks[2]);
  });

  it('begins anew with another text', () => {
    expect(advance(advance(nothing, 'a\n\nb'), 'c').blocks.map(({ source }) => source)).toEqual(['c\n']);
  });

  it('loses nothing of a long list, and shows a long table with its head again', () => {
    expect(split(long.list).map(({ source }) => source).join('')).toBe(`${long.list}\n`);
    const parts = split(long.table);
    expect(parts.length).toBeGreaterThan(5);
    for (const { source } of parts) expect(source).toMatch(/^\| a \| b \|\n\|---\|---\|\n\| cell/);
  });
});
