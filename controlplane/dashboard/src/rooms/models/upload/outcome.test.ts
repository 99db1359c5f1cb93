import { expect, it } from 'vitest';

import type { Operation } from '../../../api/types.gen';
import { outcomeOf } from './outcome';

const operation = (more: Partial<Operation>) => ({ model_id: 'm', kind: 'store', state: 'running', progress: 0, ...more }) as Operation;
const waits = 'Every byte is there. The model appears below when it is stored.';

it.each<[string, Operation[], string, string]>([
  ['nothing is known', [], 'Uploaded', waits],
  ['it is not stored yet, but one of before was', [operation({ kind: 'upload', state: 'done' }), operation({ state: 'failed', error: 'x' })], 'Uploaded', waits],
  ['another model is stored', [operation({ model_id: 'n', state: 'done' })], 'Uploaded', waits],
  ['it is being stored', [operation({}), operation({ kind: 'upload', state: 'done' })], 'Uploaded', 'Every byte is there. It is being stored.'],
  ['half of it is stored', [operation({ progress: 50 })], 'Uploaded', 'Every byte is there. It is being stored, 50 %.'],
  ['the storage is away', [operation({ state: 'waiting', error: 'the storage is away' })], 'Uploaded', 'The storage is away.'],
  ['it is stored, and goes to hosts', [operation({ kind: 'download' }), operation({ state: 'done' })], 'Uploaded', 'It is stored.'],
  ['it is no model', [operation({ state: 'failed', error: 'notes.txt: no loader knows it' })], 'Can’t be used', 'notes.txt: no loader knows it.'],
  ['somebody cancelled it', [operation({ state: 'cancelled' })], 'Cancelled', 'It was not stored: somebody cancelled that.'],
])('is told where %s', (_, operations, label, sentence) => expect(outcomeOf('m', operations)).toMatchObject({ label, sentence }));
