import { create } from 'zustand';

import { type ChatLine, streamChat } from '../../api/chat';
import { messageOf } from '../../api/client';
import { requestOf } from './ask';
import { type Answer, type Conversation, withAnswer } from './conversation';
import { find, put } from './library';

/** An answer that is coming. */
export interface Run {
  model: string;
  content: string;
  thinking: string;
  host?: string;
  /** When it was asked for, in milliseconds since the epoch. */
  askedAt: number;
  begun: boolean;
  stop: () => void;
}

/** The answers that are coming, by conversation. They go on while another room is looked at. */
export const useRuns = create<Record<string, Run>>(() => ({}));

/**
 * Has the last question of a conversation answered. The conversation is kept
 * before and after, with what came if it was stopped or failed. While an answer
 * comes, another one is not asked for.
 */
export async function ask(conversation: Conversation): Promise<void> {
  const { id, model } = conversation;
  if (useRuns.getState()[id]) return;
  put(conversation);
  const abort = new AbortController();
  const coming = new Coming(id, { model, content: '', thinking: '', askedAt: Date.now(), begun: false, stop: () => abort.abort() });
  // A page that goes away takes its answers along; what came of them stays.
  const leave = () => {
    abort.abort();
    coming.settle({ state: 'stopped' });
  };
  window.addEventListener('pagehide', leave);
  try {
    await streamChat(requestOf(conversation, conversation.turns), coming, abort.signal);
    coming.settle({ state: 'whole' });
  } catch (error) {
    coming.settle(abort.signal.aborted ? { state: 'stopped' } : { state: 'failed', error: messageOf(error) });
  } finally {
    window.removeEventListener('pagehide', leave);
  }
}

/** Stops the answer that is coming in a conversation, if there is one. */
export function stop(id: string): void {
  useRuns.getState()[id]?.stop();
}

/** Puts the pieces of an answer together, and shows them at most once a frame. */
class Coming {
  private readonly started = performance.now();
  private frame: number | undefined;
  private settled = false;
  private content = '';
  private thinking = '';
  private host: string | undefined;
  private firstTokenMs: number | undefined;
  private last: ChatLine = {};

  constructor(
    private readonly id: string,
    private readonly run: Run,
  ) {
    useRuns.setState({ [id]: run });
  }

  onHost(host: string | undefined): void {
    this.host = host;
    this.showSoon();
  }

  onLine(line: ChatLine): void {
    const { content = '', thinking = '' } = line.message ?? {};
    this.content += content;
    this.thinking += thinking;
    if (content !== '' || thinking !== '') this.firstTokenMs ??= performance.now() - this.started;
    if (line.done) this.last = line;
    this.showSoon();
  }

  /** Ends it, once: the answer joins its conversation, if that is still there. */
  settle(end: Pick<Answer, 'state' | 'error'>): void {
    if (this.settled) return;
    this.settled = true;
    if (this.frame !== undefined) cancelAnimationFrame(this.frame);
    const conversation = find(this.id);
    if (conversation) put(withAnswer(conversation, this.answer(end)));
    useRuns.setState((runs) => Object.fromEntries(Object.entries(runs).filter(([id]) => id !== this.id)), true);
  }

  private showSoon(): void {
    if (this.settled) return;
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      const { content, thinking, host, firstTokenMs } = this;
      useRuns.setState({ [this.id]: { ...this.run, content, thinking, begun: firstTokenMs !== undefined, ...(host !== undefined && { host }) } });
    });
  }

  private answer(end: Pick<Answer, 'state' | 'error'>): Answer {
    const { content, thinking, host, firstTokenMs, last } = this;
    return {
      role: 'assistant',
      content,
      model: this.run.model,
      ...end,
      ...(thinking !== '' && { thinking }),
      ...(host !== undefined && { host }),
      ...(firstTokenMs !== undefined && { firstTokenMs }),
      ...(last.eval_count !== undefined && { tokens: last.eval_count }),
      ...(last.eval_duration !== undefined && { tokensMs: last.eval_duration / 1e6 }),
      ...(last.prompt_eval_count !== undefined && { promptTokens: last.prompt_eval_count }),
      ...(last.load_duration !== undefined && { loadMs: last.load_duration / 1e6 }),
      ...(last.done_reason === 'length' && { cutShort: true }),
    };
  }
}
