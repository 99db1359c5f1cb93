import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { LogBuffer, maxEntries } from './buffer';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const numbered = (from: number, count: number) => Array.from({ length: count }, (_, i) => `line ${from + i}`);

it('shows lines together, however many there are', () => {
  const buffer = new LogBuffer();
  const heard = vi.fn();
  buffer.subscribe(heard);
  for (let i = 0; i < 1000; i++) buffer.add([`line ${i}`]);
  expect(heard).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(100);
  expect(heard).toHaveBeenCalledTimes(2);
  expect(buffer.shown().entries.map(({ text }) => text)).toEqual(numbered(0, 1000));
});

it('keeps the last ones, and counts the others', () => {
  const buffer = new LogBuffer();
  for (let second = 0; second < 10; second++) {
    for (let piece = 0; piece < 100; piece++) buffer.add(numbered(second * 10_000 + piece * 100, 100));
    vi.advanceTimersByTime(1000);
  }
  const { entries, skipped } = buffer.shown();
  expect(entries).toHaveLength(maxEntries);
  expect(entries.at(-1)?.text).toBe('line 99999');
  expect(skipped).toBe(100_000 - maxEntries);
  expect(new Set(entries.map(({ id }) => id)).size).toBe(maxEntries);
});

it('takes a piece that is larger than all that it keeps', () => {
  const buffer = new LogBuffer();
  buffer.add(numbered(0, 12_000));
  vi.advanceTimersByTime(100);
  expect(buffer.shown().skipped).toBe(7000);
  expect(buffer.shown().entries[0]?.text).toBe('line 7000');
});

it('knows its last lines before they are shown, without marks', () => {
  const buffer = new LogBuffer();
  buffer.add(['a']);
  buffer.add(['b']);
  buffer.mark('broke off');
  buffer.add(['c']);
  expect(buffer.tail(10)).toEqual(['a', 'b', 'c']);
  expect(buffer.tail(2)).toEqual(['b', 'c']);
  vi.advanceTimersByTime(100);
  expect(buffer.shown().entries[2]).toEqual({ id: 2, text: 'broke off', mark: true });
});
