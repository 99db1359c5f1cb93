import { afterEach, expect, it, vi } from 'vitest';

import { LogBuffer } from './buffer';
import { follow, type Following } from './follow';
import { overlap } from './overlap';

it.each([
  [['a', 'b', 'c'], ['b', 'c', 'd'], 2],
  [['a', 'b'], ['a', 'b'], 2],
  [['a', 'a', 'a'], ['a', 'a', 'b'], 2],
  [['a', 'b'], ['c'], 0],
  [[], ['a'], 0],
  [['a'], [], 0],
])('of %j, %j repeats the last ones', (had, tail, known) => expect(overlap(had, tail)).toBe(known));

/** A log that is sent by hand. */
function stream() {
  let control: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({ start: (given) => (control = given) });
  const send = (...lines: string[]) => control?.enqueue(new TextEncoder().encode(lines.map((line) => `${line}\n`).join('')));
  return { response: new Response(body), send, breakOff: () => control?.error(new TypeError('network error')) };
}

const aborts: AbortController[] = [];
afterEach(() => {
  for (const abort of aborts.splice(0)) abort.abort();
  vi.unstubAllGlobals();
});

/** Follows what a fake server answers, one answer a request. */
function start(...answers: Response[]) {
  const fetched = vi.fn(() => {
    const answer = answers.shift();
    return answer === undefined ? new Promise<Response>(() => undefined) : Promise.resolve(answer);
  });
  vi.stubGlobal('fetch', fetched);
  const buffer = new LogBuffer();
  const phases: Following[] = [];
  const abort = new AbortController();
  aborts.push(abort);
  const done = follow((lines) => `/log?lines=${lines}`, buffer, (following) => phases.push(following), abort.signal);
  return { buffer, phases, fetched, abort, done };
}

const texts = (buffer: LogBuffer) => buffer.shown().entries.map(({ text }) => text);

it('goes on after the stream broke off, without repeating lines, and marks the place', async () => {
  const [first, second] = [stream(), stream()];
  const { buffer, phases } = start(first.response, second.response);
  first.send('one', 'two');
  await vi.waitFor(() => expect(texts(buffer)).toEqual(['one', 'two']), 3000);
  first.send('three');
  await vi.waitFor(() => expect(texts(buffer)).toHaveLength(3));
  first.breakOff();
  second.send('two', 'three', 'four');
  await vi.waitFor(() => expect(texts(buffer)).toHaveLength(5), 5000);
  expect(texts(buffer)[3]).toMatch(/^The stream broke off at .* and came back at .*; no line is missing$/);
  expect(texts(buffer)[4]).toBe('four');
  expect(phases.map(({ phase }) => phase)).toEqual(['connecting', 'live', 'waiting', 'connecting', 'live']);
});

it('says where lines may be missing', async () => {
  const [first, second] = [stream(), stream()];
  const { buffer } = start(first.response, second.response);
  first.send('one');
  await vi.waitFor(() => expect(texts(buffer)).toEqual(['one']), 3000);
  first.breakOff();
  second.send('five', 'six');
  await vi.waitFor(() => expect(texts(buffer)).toHaveLength(4), 5000);
  expect(texts(buffer)[1]).toMatch(/lines may be missing$/);
});

it('does not ask again for what is refused', async () => {
  const refusal = Response.json({ code: 'not_found', error: 'host "x" has no Ollama instance "y"' }, { status: 404 });
  const { phases, fetched, done } = start(refusal);
  await done;
  expect(fetched).toHaveBeenCalledTimes(1);
  expect(phases.at(-1)).toMatchObject({ phase: 'refused', error: { code: 'not_found' } });
});

it('ends when nobody follows any more', async () => {
  const only = stream();
  const { buffer, phases, abort, done } = start(only.response);
  only.send('one');
  await vi.waitFor(() => expect(texts(buffer)).toEqual(['one']), 3000);
  abort.abort();
  only.breakOff();
  await done;
  expect(phases.at(-1)?.phase).toBe('live');
});
