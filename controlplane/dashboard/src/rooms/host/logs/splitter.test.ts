import { expect, it } from 'vitest';

import { Splitter } from './splitter';

it('cuts text into lines, wherever the pieces of it end', () => {
  const splitter = new Splitter();
  expect(splitter.push('one\ntw')).toEqual(['one']);
  expect(splitter.push('')).toEqual([]);
  expect(splitter.push('o\r\n\nthree')).toEqual(['two', '']);
  expect(splitter.end()).toEqual(['three']);
  expect(splitter.end()).toEqual([]);
});

it('does not keep a line without end', () => {
  const splitter = new Splitter();
  for (let i = 0; i < 100; i++) expect(splitter.push('x'.repeat(10_000))).toEqual([]);
  expect(splitter.push('\nnext\n').map(({ length }) => length)).toEqual([16_384, 4]);
});
