import { describe, expect, it } from 'vitest';

import { configOf, fieldsOf, valuesOf } from './form';

const schema = {
  type: 'object',
  properties: {
    bucket: { type: 'string', description: 'its name' },
    key: { type: 'string', writeOnly: true },
    parts: { type: 'object', properties: { size: { type: 'integer', default: 8 } } },
    sync: { type: 'boolean', default: true },
    tags: { type: 'array' },
    broken: 7,
  },
};

describe('the form of a plugin', () => {
  const fields = fieldsOf(schema);

  it('has a field for each setting, of sections too', () => {
    expect(fields.map(({ path, kind, fallback }) => [path, kind, fallback])).toEqual([
      ['bucket', 'text', ''],
      ['key', 'secret', ''],
      ['parts.size', 'number', '8'],
      ['sync', 'switch', 'true'],
      ['tags', 'json', ''],
    ]);
    expect(fieldsOf(undefined)).toEqual([]);
  });

  it('gives back what it was given', () => {
    const config = { bucket: 'b', key: '***', parts: { size: 9 }, sync: false, tags: ['x'] };
    expect(configOf(fields, valuesOf(fields, config))).toEqual(config);
  });

  it('leaves out what is empty, and lets the control plane judge what can’t be read', () => {
    expect(configOf(fields, { bucket: '', 'parts.size': 'many' })).toEqual({ parts: { size: 'many' } });
  });
});
