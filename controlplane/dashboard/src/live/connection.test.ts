import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { type Frame, LiveConnection, type Phase } from './connection';

/** A WebSocket of which the test decides what happens. */
class Socket {
  static all: Socket[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  sent: string[] = [];
  closed = false;

  constructor(readonly url: string) {
    Socket.all.push(this);
  }

  send(data: string) {
    this.sent.push(data);
  }

  close() {
    this.closed = true;
  }
}

function last(): Socket {
  const socket = Socket.all.at(-1);
  if (socket === undefined) throw new Error('no connection was made');
  return socket;
}

describe('the live connection', () => {
  let phases: Phase[];
  let frames: Frame[];
  let refused: number;
  let connection: LiveConnection;

  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal('WebSocket', Socket);
    vi.spyOn(Math, 'random').mockReturnValue(1);
    Socket.all = [];
    phases = [];
    frames = [];
    refused = 0;
    connection = new LiveConnection('ws://here/ws', ['hosts_list'], {
      onFrame: (frame) => frames.push(frame),
      onPhase: (phase) => phases.push(phase),
      onRefused: () => refused++,
    });
  });

  afterEach(() => {
    connection.stop();
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it('subscribes, and is live from the first frame on', () => {
    connection.start();
    last().onopen?.();
    expect(last().sent).toEqual(['{"event":"subscribe","data":{"topics":["hosts_list"]}}']);
    last().onmessage?.({ data: '{"type":"hosts_list","data":[]}' });
    expect(phases).toEqual(['connecting', 'live']);
    expect(frames).toEqual([{ type: 'hosts_list', data: [] }]);
  });

  it('ignores what is no frame', () => {
    connection.start();
    last().onmessage?.({ data: '{' });
    last().onmessage?.({ data: new ArrayBuffer(1) });
    expect(frames).toEqual([]);
  });

  it('comes back after it was lost, each time later, and from the beginning once it was live', () => {
    connection.start();
    for (const wait of [500, 1000, 2000]) {
      last().onclose?.({ code: 1006 });
      const made = Socket.all.length;
      vi.advanceTimersByTime(wait - 1);
      expect(Socket.all).toHaveLength(made);
      vi.advanceTimersByTime(1);
      expect(Socket.all).toHaveLength(made + 1);
    }
    last().onmessage?.({ data: '{"type":"x","data":null}' });
    last().onclose?.({ code: 1006 });
    const made = Socket.all.length;
    vi.advanceTimersByTime(500);
    expect(Socket.all).toHaveLength(made + 1);
  });

  it('gives a silent server up', () => {
    connection.start();
    last().onmessage?.({ data: '{"type":"x","data":null}' });
    const silent = last();
    vi.advanceTimersByTime(5000);
    expect(silent.closed).toBe(true);
    expect(phases.at(-1)).toBe('waiting');
  });

  it('asks who is signed in when it was refused or put out, not when it was lost', () => {
    connection.start();
    last().onmessage?.({ data: '{"type":"x","data":null}' });
    last().onclose?.({ code: 1006 });
    expect(refused).toBe(0);
    vi.advanceTimersByTime(500);
    last().onclose?.({ code: 1006 });
    expect(refused).toBe(1);
    vi.advanceTimersByTime(1000);
    last().onmessage?.({ data: '{"type":"x","data":null}' });
    last().onclose?.({ code: 1008 });
    expect(refused).toBe(2);
  });

  it('connects at once when told to, and not at all once stopped', () => {
    connection.start();
    last().onclose?.({ code: 1006 });
    connection.retryNow();
    expect(Socket.all).toHaveLength(2);
    connection.stop('paused');
    expect(phases.at(-1)).toBe('paused');
    expect(last().closed).toBe(true);
    vi.advanceTimersByTime(60_000);
    connection.retryNow();
    expect(Socket.all).toHaveLength(2);
  });
});
