import { ApiError, request } from './client';

/** A message as Ollama takes it. */
export interface Message {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** Ollama's own options. What is left out is the model's own. */
export interface Options {
  temperature?: number;
  top_p?: number;
  top_k?: number;
  num_ctx?: number;
  num_predict?: number;
  seed?: number;
  stop?: string[];
}

/** What is sent to POST /api/chat: Ollama's own body. */
export interface ChatRequest {
  model: string;
  messages: Message[];
  stream: true;
  options?: Options;
}

/** A line of the answer. Counts and durations (in nanoseconds) stand in the last one. */
export interface ChatLine {
  message?: { content?: string; thinking?: string };
  done?: boolean;
  done_reason?: string;
  error?: string;
  eval_count?: number;
  eval_duration?: number;
  load_duration?: number;
  prompt_eval_count?: number;
  total_duration?: number;
}

interface Listener {
  /** The answer has begun: the name of the host that gives it, if it is known. */
  onHost(host: string | undefined): void;
  onLine(line: ChatLine): void;
}

/**
 * Asks a model, and calls the listener for each piece as it comes. It returns
 * after the last line, and throws an ApiError when there was none; what came
 * before an error was given to the listener. Aborting ends it with the error of
 * the signal.
 */
export async function streamChat(body: ChatRequest, listener: Listener, signal: AbortSignal): Promise<void> {
  const response = await request('/api/chat', { method: 'POST', body, signal });
  listener.onHost(hostOf(response));
  const brokenOff = () => new ApiError(0, 'unreachable', 'The answer broke off before its end.');
  if (response.body === null) throw brokenOff();
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  const seen = { end: false };
  const take = (raw: string) => {
    if (raw.trim() === '') return;
    const line = parse(raw);
    if (line === null) throw brokenOff();
    if (line.error !== undefined) throw new ApiError(response.status, 'failed', line.error);
    seen.end ||= line.done === true;
    listener.onLine(line);
  };
  try {
    for (;;) {
      const { value, done: ended } = await reader.read();
      rest += ended ? decoder.decode() : decoder.decode(value, { stream: true });
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      for (const raw of lines) take(raw);
      if (ended) break;
    }
    take(rest);
  } catch (error) {
    if (signal.aborted || error instanceof ApiError) throw error;
    throw brokenOff();
  } finally {
    // It has ended, failed or was stopped; either way nothing more is wanted.
    reader.cancel().catch(() => undefined);
  }
  if (!seen.end) throw brokenOff();
}

function parse(raw: string): ChatLine | null {
  try {
    const line: unknown = JSON.parse(raw);
    return typeof line === 'object' && line !== null ? line : null;
  } catch {
    return null;
  }
}

/** Names beyond ASCII come percent-encoded. */
function hostOf(response: Response): string | undefined {
  const name = response.headers.get('Corral-Host');
  if (name === null || name === '') return undefined;
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
