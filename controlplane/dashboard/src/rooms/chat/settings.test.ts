import { describe, expect, it } from 'vitest';

import { noSettings, optionsOf, problemsOf } from './settings';

describe('settings', () => {
  it('ask for nothing where they are empty', () => {
    expect(optionsOf(noSettings)).toBeUndefined();
    expect(optionsOf({ ...noSettings, system: 'x', seed: '  ' })).toBeUndefined();
    expect(problemsOf(noSettings)).toEqual({});
  });

  it('become options of the right kinds', () => {
    const settings = { ...noSettings, temperature: '0', top_p: ' 0.9 ', num_predict: '-1', seed: '7', stop: 'END\n\n a\\nb' };
    expect(problemsOf(settings)).toEqual({});
    expect(optionsOf(settings)).toEqual({ temperature: 0, top_p: 0.9, num_predict: -1, seed: 7, stop: ['END', ' a\nb'] });
  });

  it.each([
    ['temperature', 'warm', 'This is not a number.'],
    ['temperature', 'Infinity', 'This is not a number.'],
    ['temperature', '-0.1', 'This has to be 0 or more.'],
    ['top_p', '1.1', 'This has to be 1 or less.'],
    ['top_k', '1.5', 'This has to be a whole number.'],
    ['num_ctx', '0', 'This has to be 1 or more.'],
    ['num_predict', '-3', 'This has to be -2 or more.'],
    ['seed', '1e99', 'This has to be 2147483647 or less.'],
    ['stop', 'x\n'.repeat(17), 'At most 16 texts can be looked for.'],
  ] as const)('are refused where %s is %j', (key, typed, sentence) => {
    expect(problemsOf({ ...noSettings, [key]: typed })).toEqual({ [key]: sentence });
  });
});
