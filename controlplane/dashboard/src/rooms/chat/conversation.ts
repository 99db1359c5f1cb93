import { noSettings, type Settings } from './settings';

/** What somebody asked. */
export interface Question {
  role: 'user';
  content: string;
}

/** What a model answered, as far as it came. What is not known is left out. */
export interface Answer {
  role: 'assistant';
  content: string;
  thinking?: string;
  model: string;
  state: 'whole' | 'stopped' | 'failed';
  /** Why it failed, as a sentence. */
  error?: string;
  /** The name of the host that answered. */
  host?: string;
  /** From sending the question to the first piece, in milliseconds, as seen from here. */
  firstTokenMs?: number;
  /** Ollama's own counts of tokens, and its own durations in milliseconds. */
  tokens?: number;
  tokensMs?: number;
  promptTokens?: number;
  loadMs?: number;
  /** Whether the answer ended because it may be no longer. */
  cutShort?: boolean;
}

export type Turn = Question | Answer;

/** A conversation as it is kept in this browser. */
export interface Conversation {
  id: string;
  title: string;
  model: string;
  settings: Settings;
  turns: Turn[];
  /** In milliseconds since the epoch. */
  updatedAt: number;
}

const titleLimit = 80;

/** A conversation in which nothing was said yet. */
export function newConversation(model: string, settings: Settings = noSettings): Conversation {
  return { id: crypto.getRandomValues(new BigUint64Array(1))[0]?.toString(36) ?? '', title: '', model, settings, turns: [], updatedAt: Date.now() };
}

/** The conversation with a question at the place of turn at and of all after it; at its end unless told. */
export function withQuestion(conversation: Conversation, content: string, at = conversation.turns.length): Conversation {
  const turns: Turn[] = [...conversation.turns.slice(0, at), { role: 'user', content }];
  return { ...conversation, turns, title: conversation.title || titleFrom(content), updatedAt: Date.now() };
}

/** The conversation up to its last question, which is to be answered anew. */
export function withoutLastAnswer(conversation: Conversation): Conversation {
  const last = conversation.turns.findLastIndex((turn) => turn.role === 'user');
  return { ...conversation, turns: conversation.turns.slice(0, last + 1), updatedAt: Date.now() };
}

export function withAnswer(conversation: Conversation, answer: Answer): Conversation {
  return { ...conversation, turns: [...conversation.turns, answer], updatedAt: Date.now() };
}

function titleFrom(content: string): string {
  const line = content.trim().split('\n', 1)[0] ?? '';
  return line.length > titleLimit ? `${line.slice(0, titleLimit - 1)}…` : line;
}

/** Whether a conversation has the words in its title or in what was said. */
export function mentions(conversation: Conversation, words: string): boolean {
  const wanted = words.toLowerCase();
  return conversation.title.toLowerCase().includes(wanted) || conversation.turns.some(({ content }) => content.toLowerCase().includes(wanted));
}
