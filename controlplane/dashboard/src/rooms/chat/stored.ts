import type { Answer, Conversation, Turn } from './conversation';
import { noSettings, type Settings } from './settings';

type Unknown = Record<string, unknown>;

/** Reads what was kept of a conversation; null when it is none of ours, or broken. */
export function parseConversation(raw: string): Conversation | null {
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch {
    return null;
  }
  if (!isObject(value)) return null;
  const { id, title, model, settings, turns, updatedAt } = value;
  if (typeof id !== 'string' || typeof title !== 'string' || typeof model !== 'string') return null;
  if (typeof updatedAt !== 'number' || !Number.isFinite(updatedAt) || !Array.isArray(turns) || !turns.every(isTurn)) return null;
  return { id, title, model, settings: settingsOf(settings), turns, updatedAt };
}

function isObject(value: unknown): value is Unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function settingsOf(value: unknown): Settings {
  if (!isObject(value)) return noSettings;
  const known = Object.keys(noSettings) as (keyof Settings)[];
  const typed = known.map((key) => [key, typeof value[key] === 'string' ? value[key] : '']);
  return Object.fromEntries(typed) as Record<keyof Settings, string>;
}

const states: readonly unknown[] = ['whole', 'stopped', 'failed'] satisfies Answer['state'][];
const texts = ['thinking', 'error', 'host'];
const numbers = ['firstTokenMs', 'tokens', 'tokensMs', 'promptTokens', 'loadMs'];

function isTurn(value: unknown): value is Turn {
  if (!isObject(value) || typeof value['content'] !== 'string') return false;
  if (value['role'] === 'user') return true;
  return (
    value['role'] === 'assistant' &&
    typeof value['model'] === 'string' &&
    states.includes(value['state']) &&
    texts.every((key) => value[key] === undefined || typeof value[key] === 'string') &&
    numbers.every((key) => value[key] === undefined || typeof value[key] === 'number')
  );
}
