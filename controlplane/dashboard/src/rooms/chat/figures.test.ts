import { describe, expect, it } from 'vitest';

import type { Answer } from './conversation';
import { toMarkdown } from './exports';
import { figuresOf } from './figures';
import { noSettings } from './settings';

const answer: Answer = { role: 'assistant', content: 'Yes.', model: 'm', state: 'whole' };

function told(more: Partial<Answer>): string {
  return figuresOf({ ...answer, ...more })
    .map(({ label, value }) => `${label} ${value}`)
    .join('; ');
}

describe('figures of an answer', () => {
  it('say nothing of what is not known', () => {
    expect(told({})).toBe('');
    expect(told({ tokens: 0, tokensMs: 0 })).toBe('tokens 0');
  });

  it('are of Ollama\'s own counts', () => {
    expect(told({ tokens: 120, tokensMs: 1500, firstTokenMs: 234.4, loadMs: 80, promptTokens: 26 })).toBe(
      'speed 80 tokens/s; first token after 234 ms; tokens 120, prompt 26',
    );
    expect(told({ tokens: 5, tokensMs: 1000, firstTokenMs: 12_345, loadMs: 11_900 })).toBe('speed 5.0 tokens/s; first token after 12 s; loading 11 s; tokens 5');
  });
});

describe('an exported conversation', () => {
  it('is a text in Markdown', () => {
    const turns = [{ role: 'user', content: 'Is it?' } as const, answer, { ...answer, content: '', state: 'failed', error: 'Gone.' } as const];
    expect(toMarkdown({ id: 'c', title: 'T', model: 'm', settings: { ...noSettings, system: 'Be brief.' }, turns, updatedAt: 0 })).toBe(
      '# T\n\nModel: m\n\n## System\n\nBe brief.\n\n## You\n\nIs it?\n\n## m\n\nYes.\n\n## m\n\n*Gone.*\n',
    );
  });
});
