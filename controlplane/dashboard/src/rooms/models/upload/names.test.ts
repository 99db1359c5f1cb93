import { expect, it } from 'vitest';

import { nameAfter, sameName } from './names';

it.each([
  ['my model ünïcode 模型 (v2).gguf', '', 'my-model-unicode-v2'],
  ['big-00001-of-00002.gguf', '', 'big'],
  ['model.safetensors', 'Qwen2.5-0.5B', 'Qwen2.5-0.5B'],
  [`${'n'.repeat(300)}.gguf`, '', 'n'.repeat(80)],
  ['模型.gguf', '', ''],
])('names a model after %s', (file, folder, name) => expect(nameAfter([{ name: file }], folder)).toBe(name));

it.each([
  ['tiny', 'tiny:latest', true],
  ['Tiny:Q4', ' tiny:q4', true],
  ['host:5000/tiny', 'host:5000/tiny:latest', true],
  ['tiny', 'tiny:q4', false],
])('tells whether %s and %s are one', (a, b, same) => expect(sameName(a, b)).toBe(same));
