import type { ChatRequest, Message } from '../../api/chat';
import type { Conversation, Turn } from './conversation';
import { optionsOf } from './settings';

/** What is sent to have the last question among turns answered. */
export function requestOf({ model, settings }: Conversation, turns: readonly Turn[]): ChatRequest {
  const messages: Message[] = settings.system.trim() === '' ? [] : [{ role: 'system', content: settings.system }];
  for (const { role, content } of turns) if (content !== '') messages.push({ role, content }); // an answer that failed said nothing
  const options = optionsOf(settings);
  return { model, messages, stream: true, ...(options && { options }) };
}

/** The same as a command for a shell, in which the key stands as a variable. */
export function curlOf(request: ChatRequest, origin: string): string {
  return [
    `curl -N ${quoted(`${origin}/api/chat`)}`,
    `-H "Authorization: Bearer $CORRAL_KEY"`,
    `-H 'Content-Type: application/json'`,
    `-d ${quoted(JSON.stringify(request))}`,
  ].join(' \\\n  ');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
