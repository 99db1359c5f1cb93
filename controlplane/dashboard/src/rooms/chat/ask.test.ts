import { execFileSync } from 'node:child_process';

import { describe, expect, it } from 'vitest';

import { curlOf, requestOf } from './ask';
import { type Conversation, newConversation, withAnswer, withoutLastAnswer, withQuestion } from './conversation';
import { noSettings } from './settings';

const failed = { role: 'assistant', content: '', model: 'm', state: 'failed', error: 'e' } as const;

function talk(): Conversation {
  const settings = { ...noSettings, system: 'Be brief.', seed: '1' };
  return withQuestion(withAnswer(withQuestion(newConversation('m', settings), 'one'), failed), 'two');
}

describe('what is asked', () => {
  it('is the system prompt and all that was said, in Ollama\'s own words', () => {
    const conversation = talk();
    expect(requestOf(conversation, conversation.turns)).toEqual({
      model: 'm',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'one' },
        { role: 'user', content: 'two' },
      ],
      stream: true,
      options: { seed: 1 },
    });
  });

  it('goes through a shell unharmed, without a key in it', () => {
    const hostile = 'it\'s $(touch x) `y` "z" \\ !\n\nend';
    const request = requestOf(talk(), [{ role: 'user', content: hostile }]);
    const command = curlOf(request, 'http://localhost:11435');
    const printed = execFileSync('bash', ['-c', `curl() { printf '%s\\0' "$@"; }; CORRAL_KEY=k; ${command}`], { encoding: 'utf8' }).split('\0');
    expect(printed.slice(0, 7)).toEqual([
      '-N',
      'http://localhost:11435/api/chat',
      '-H',
      'Authorization: Bearer k',
      '-H',
      'Content-Type: application/json',
      '-d',
    ]);
    expect(JSON.parse(printed[7] ?? '')).toEqual(request);
    expect(command).toContain('Bearer $CORRAL_KEY');
  });
});

describe('a conversation', () => {
  it('is named after its first question', () => {
    expect(withQuestion(newConversation('m'), '\n  Why?\nmore').title).toBe('Why?');
    expect(withQuestion(newConversation('m'), 'x'.repeat(200)).title).toHaveLength(80);
    expect(talk().title).toBe('one');
  });

  it('loses what followed a question that is put otherwise', () => {
    expect(withQuestion(talk(), 'new', 0).turns).toEqual([{ role: 'user', content: 'new' }]);
  });

  it('loses its last answer when that is made anew', () => {
    const conversation = talk();
    expect(withoutLastAnswer(withAnswer(conversation, failed)).turns).toEqual(conversation.turns);
  });

  it('has ids that differ', () => {
    expect(new Set(Array.from({ length: 100 }, () => newConversation('m').id)).size).toBe(100);
  });
});
