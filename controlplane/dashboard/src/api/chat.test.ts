import { afterEach, describe, expect, it, vi } from 'vitest';

import { type ChatLine, streamChat } from './chat';

afterEach(() => vi.unstubAllGlobals());

/** Has the next answer come in these pieces, cut where they are cut. */
function answer(pieces: string[], init: ResponseInit = {}): void {
  const bytes = pieces.map((piece) => new TextEncoder().encode(piece));
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const next = bytes.shift();
      if (next) controller.enqueue(next);
      else controller.close();
    },
  });
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(body, init)));
}

async function heard(): Promise<{ lines: ChatLine[]; host: string | undefined; error: string | null }> {
  const lines: ChatLine[] = [];
  let host: string | undefined;
  let error: string | null = null;
  const listener = { onHost: (name: string | undefined) => void (host = name), onLine: (line: ChatLine) => void lines.push(line) };
  try {
    await streamChat({ model: 'm', messages: [], stream: true }, listener, new AbortController().signal);
  } catch (thrown) {
    error = String(thrown);
  }
  return { lines, host, error };
}

const end = '{"done":true,"eval_count":2}\n';

describe('an answer that streams', () => {
  it('gives each line as it comes, wherever the pieces are cut', async () => {
    answer(['{"message":{"content":"gr', 'ü"}}\n\n{"message":{"thinking":"t"}}\n{"done":tr', 'ue,"eval_count":2}']);
    const { lines, error } = await heard();
    expect(error).toBeNull();
    expect(lines).toEqual([{ message: { content: 'grü' } }, { message: { thinking: 't' } }, { done: true, eval_count: 2 }]);
  });

  it('keeps characters whole that are cut', async () => {
    const bytes = new TextEncoder().encode('{"message":{"content":"😀"}}\n' + end);
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    vi.stubGlobal('fetch', () => Promise.resolve(new Response(body)));
    expect((await heard()).lines[0]).toEqual({ message: { content: '😀' } });
  });

  it.each([
    ['gpu-1', 'gpu-1'],
    ['b%C3%BCro', 'büro'],
    ['50%', '50%'],
  ])('names its host: %s', async (field, name) => {
    answer([end], { headers: { 'Corral-Host': field } });
    expect((await heard()).host).toBe(name);
  });

  it.each([
    ['an error among the lines', ['{"message":{"content":"a"}}\n{"error":"out of memory"}\n'], 'ApiError: out of memory', 1],
    ['an end too early', ['{"message":{"content":"a"}}\n'], 'ApiError: The answer broke off before its end.', 1],
    ['half a line', ['{"message":{"content":"a"}}\n{"mess'], 'ApiError: The answer broke off before its end.', 1],
    ['something else', ['<html>'], 'ApiError: The answer broke off before its end.', 0],
    ['nothing', [], 'ApiError: The answer broke off before its end.', 0],
  ])('fails at %s, after what came before', async (_, pieces, error, before) => {
    answer(pieces);
    const got = await heard();
    expect([got.error, got.lines.length]).toEqual([error, before]);
  });

  it('fails with the sentence of a refusal', async () => {
    answer(['{"error":"no host has the model \\"x\\""}'], { status: 404 });
    expect((await heard()).error).toBe('ApiError: no host has the model "x"');
  });
});
