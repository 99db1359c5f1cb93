import { afterEach, describe, expect, it, vi } from 'vitest';

import { ApiError, call, onSignedOut } from './client';

function answer(status: number, body: string) {
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(body, { status })));
}

describe('a call', () => {
  afterEach(() => void vi.unstubAllGlobals());

  it('returns what came back', async () => {
    answer(200, '{"name":"a"}');
    await expect(call('/api/x')).resolves.toEqual({ name: 'a' });
  });

  it('fails with the sentence and the code of the server', async () => {
    answer(409, '{"error":"the name is taken","code":"conflict"}');
    await expect(call('/api/x')).rejects.toEqual(new ApiError(409, 'conflict', 'the name is taken'));
  });

  it('fails in words of its own where something else answered', async () => {
    answer(502, '<html>bad gateway</html>');
    await expect(call('/api/x')).rejects.toEqual(new ApiError(502, 'internal', 'The control plane answered with status 502.'));
    answer(200, '{"name":');
    await expect(call('/api/x')).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('says so when nothing answers', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
    await expect(call('/api/x')).rejects.toEqual(new ApiError(0, 'unreachable', 'The control plane cannot be reached.'));
  });

  it('tells who listens that nobody is signed in', async () => {
    const listener = vi.fn();
    const forget = onSignedOut(listener);
    answer(401, '{"error":"a key is needed","code":"unauthenticated"}');
    await expect(call('/api/x')).rejects.toBeInstanceOf(ApiError);
    expect(listener).toHaveBeenCalledOnce();
    forget();
    await expect(call('/api/x')).rejects.toBeInstanceOf(ApiError);
    expect(listener).toHaveBeenCalledOnce();
  });
});
