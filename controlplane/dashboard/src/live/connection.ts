import { backoffMs } from './backoff';

/** A frame that the server pushed. */
export interface Frame {
  type: string;
  data: unknown;
}

export type Phase =
  /** A connection is being made. */
  | 'connecting'
  /** Frames come. */
  | 'live'
  /** The connection was lost; another one is made soon. */
  | 'waiting'
  /** Nobody looks, so nothing is asked for. */
  | 'paused';

interface Handlers {
  onFrame(frame: Frame): void;
  onPhase(phase: Phase, retryAt: number | null): void;
  /** The server let nobody in, or put somebody out. */
  onRefused(): void;
}

/** A server that says nothing for so long has gone without a word. */
const silenceLimitMs = 5000;

/** The server closes with this when a key was revoked. */
const policyViolation = 1008;

/**
 * The live connection to the control plane: one WebSocket that is made anew
 * whenever it is lost, and subscribed to the topics. It does nothing before
 * start and after stop.
 */
export class LiveConnection {
  private socket: WebSocket | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private silence: ReturnType<typeof setTimeout> | undefined;
  private attempt = 0;
  private running = false;

  constructor(
    private readonly url: string,
    private readonly topics: readonly string[],
    private readonly handlers: Handlers,
  ) {}

  start(): void {
    if (this.running) return;
    this.running = true;
    this.attempt = 0;
    this.connect();
  }

  /** Ends the connection; start makes another one. */
  stop(phase: Phase = 'waiting'): void {
    this.running = false;
    this.drop();
    this.handlers.onPhase(phase, null);
  }

  /** Connects now instead of when the time has come. */
  retryNow(): void {
    if (!this.running || this.retry === undefined) return;
    this.drop();
    this.connect();
  }

  private connect(): void {
    this.handlers.onPhase('connecting', null);
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.expectFrames();
    socket.onopen = () => socket.send(JSON.stringify({ event: 'subscribe', data: { topics: this.topics } }));
    socket.onmessage = ({ data }) => this.receive(data);
    socket.onclose = ({ code }) => this.lost(code);
  }

  private receive(data: unknown): void {
    if (typeof data !== 'string') return;
    this.expectFrames();
    if (this.attempt !== -1) {
      this.attempt = -1; // counts from nought again when it is lost
      this.handlers.onPhase('live', null);
    }
    let frame: Frame;
    try {
      frame = JSON.parse(data) as Frame;
    } catch {
      return; // a frame of a newer server that is no JSON is not for us
    }
    this.handlers.onFrame(frame);
  }

  private lost(code: number): void {
    const heard = this.attempt === -1;
    this.drop();
    if (code === policyViolation || !heard) this.handlers.onRefused(); // may be why; whoever listens asks
    if (!this.running) return;
    this.attempt = Math.max(this.attempt, 0) + 1;
    const wait = backoffMs(this.attempt);
    this.handlers.onPhase('waiting', Date.now() + wait);
    this.retry = setTimeout(() => {
      this.retry = undefined;
      this.connect();
    }, wait);
  }

  private expectFrames(): void {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.lost(0), silenceLimitMs);
  }

  private drop(): void {
    clearTimeout(this.retry);
    clearTimeout(this.silence);
    this.retry = undefined;
    const socket = this.socket;
    this.socket = undefined;
    if (socket === undefined) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}
