import { expect, it } from 'vitest';

import { asSentence } from './sentences';

it.each([
  ['the host is away', 'The host is away.'],
  ['can’t be reached, now?', 'Can’t be reached, now?'],
  ['there is no room', 'There is no room.'],
  ['tiny.gguf: the file is not a GGUF', 'tiny.gguf: the file is not a GGUF.'],
  ['gpu-1 is away', 'gpu-1 is away.'],
  ['hello:latest is an alias', 'hello:latest is an alias.'],
  ['"x" is in no storage.', '"x" is in no storage.'],
])('has %j read as %j', (message, sentence) => expect(asSentence(message)).toBe(sentence));
