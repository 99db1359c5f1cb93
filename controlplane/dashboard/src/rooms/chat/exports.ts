import type { Conversation } from './conversation';

/** A conversation as a text in Markdown. */
export function toMarkdown({ title, model, settings, turns }: Conversation): string {
  const parts = [`# ${title}`, `Model: ${model}`];
  if (settings.system.trim() !== '') parts.push('## System', settings.system);
  for (const turn of turns) {
    if (turn.role === 'user') parts.push('## You', turn.content);
    else parts.push(`## ${turn.model}`, turn.content, ...(turn.state === 'whole' ? [] : [turn.error ? `*${turn.error}*` : '*Stopped*']));
  }
  return parts.filter((part) => part !== '').join('\n\n') + '\n';
}

/** Has the browser save a conversation as a file. */
export function download(conversation: Conversation, as: 'md' | 'json'): void {
  const [content, type] = as === 'md' ? [toMarkdown(conversation), 'text/markdown'] : [JSON.stringify(conversation, null, 2), 'application/json'];
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement('a');
  link.href = address;
  link.download = `${fileName(conversation.title)}.${as}`;
  link.click();
  URL.revokeObjectURL(address);
}

function fileName(title: string): string {
  const plain = title.replaceAll(/[^\p{L}\p{N}]+/gu, '-').replaceAll(/^-+|-+$/g, '');
  return plain.slice(0, 60) || 'conversation';
}
