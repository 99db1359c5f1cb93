import type { Asked } from '../../fleet/testPage';

interface Held {
  announced: unknown;
  length: number;
  bytes: string; // that have come
}

/** What a control plane knows of uploads. It answers from memory, and what it is asked is kept. */
export class UploadServer {
  readonly asked: string[] = [];
  readonly held = new Map<string, Held>();
  /** Nothing reaches it. */
  down = false;
  /** How many bytes of a piece come before nothing more does. */
  lineLasts = Infinity;
  /** What keeps it from taking an upload, which it is asked before one begins. */
  refusal: { status: number; body: string } | undefined;
  /** What answers in place of what there is, once. */
  next: { status: number; body: string } | undefined;
  /** How many announcements are taken of which the answer is lost. */
  unanswered = 0;
  private readonly begun = new Map<string, string>(); // their addresses, by their keys

  /** Answers POST /api/uploads, as testPage has its answers. */
  readonly begin = ({ body, headers }: Asked): Response => {
    if ((body as { check?: boolean }).check === true) {
      return this.refusal === undefined ? new Response(null, { status: 204 }) : new Response(this.refusal.body, { status: this.refusal.status });
    }
    this.asked.push('POST');
    const refused = this.taken();
    if (refused !== undefined) return new Response(refused.body, { status: refused.status });
    const key = headers.get('Idempotency-Key') ?? '';
    const url = this.begun.get(key) ?? `/api/uploads/u_${this.begun.size + 1}`;
    if (!this.begun.has(key)) {
      const { files } = body as { files: { size: number }[] };
      this.held.set(url, { announced: body, length: files.reduce((sum, { size }) => sum + size, 0), bytes: '' });
      this.begun.set(key, url);
    }
    if (this.unanswered-- > 0) throw new TypeError('Failed to fetch');
    return new Response(null, { status: 201, headers: { Location: url, 'Upload-Offset': '0', 'Corral-Model': 'm_1' } });
  };

  /** The class that takes the place of XMLHttpRequest. */
  requests(): unknown {
    const answer = this.answer.bind(this);
    return class {
      upload: { onprogress?: (event: object) => void } = {};
      onload?: () => void;
      onerror?: () => void;
      status = 0;
      responseText = '';
      private what = '';
      private url = '';
      private aborted = false;
      private readonly said = new Map<string, string>();
      private told: Record<string, string> = {};

      open(method: string, url: string): void {
        [this.what, this.url] = [method, url];
      }
      setRequestHeader(name: string, value: string): void {
        this.said.set(name, value);
      }
      getResponseHeader(name: string): string | null {
        return this.told[name] ?? null;
      }
      abort(): void {
        this.aborted = true;
      }
      send(body: Blob | null): void {
        void (body === null ? Promise.resolve('') : body.text()).then((text) => {
          if (this.aborted) return;
          const answered = answer(this.what, this.url, Number(this.said.get('Upload-Offset') ?? 0), text);
          this.upload.onprogress?.({ lengthComputable: true, loaded: answered.came });
          if (answered.status === undefined) return;
          this.status = answered.status;
          this.responseText = answered.body ?? '';
          this.told = answered.headers ?? {};
          if (this.status === 0) this.onerror?.();
          else this.onload?.();
        });
      }
    };
  }

  private taken() {
    const { next } = this;
    this.next = undefined;
    return next;
  }

  /** What comes back, which is nothing at all without a status, and a broken line with 0. */
  private answer(what: string, url: string, offset: number, body: string): { came: number; status?: number; body?: string; headers?: Record<string, string> } {
    if (this.down) return { came: 0, status: 0 };
    this.asked.push(what);
    const instead = this.taken();
    if (instead !== undefined) return { came: 0, ...instead };
    const held = this.held.get(url);
    if (held === undefined) return { came: 0, status: 404 };
    const headers = () => ({ 'Upload-Offset': `${held.bytes.length}`, 'Upload-Length': `${held.length}`, 'Corral-Model': 'm_1' });
    switch (what) {
      case 'DELETE':
        this.held.delete(url);
        return { came: 0, status: 204 };
      case 'PATCH': {
        if (offset !== held.bytes.length) return { came: 0, status: 409 };
        const came = Math.min(body.length, this.lineLasts);
        held.bytes += body.slice(0, came);
        return came < body.length ? { came } : { came, status: 204, headers: headers() };
      }
      default:
        return { came: 0, status: 200, headers: headers() };
    }
  }
}
