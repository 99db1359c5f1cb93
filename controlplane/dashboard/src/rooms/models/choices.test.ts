import { describe, expect, it } from 'vitest';

import { ApiError } from '../../api/client';
import { nothingChosen, placingOf } from './HostChoice';
import { labelsIn, lineOf } from './labels';
import { failureOf, refusalOf, sentenceIn } from './upload/failure';
import { chosenAgain, listed } from './upload/files';
import { nameAfter } from './upload/names';

describe('a choice of hosts', () => {
  it('asks for what the API takes, or says what is missing', () => {
    expect(placingOf({ ...nothingChosen, count: '3' })).toEqual({ count: 3 });
    expect(placingOf({ ...nothingChosen, count: '0' })).toBe('Say on how many hosts.');
    expect(placingOf({ ...nothingChosen, way: 'named', named: ['h_1'] })).toEqual({ hosts: ['h_1'] });
    expect(placingOf({ ...nothingChosen, way: 'labels', labels: 'gpu=h100, site=' })).toEqual({ labels: { gpu: 'h100', site: '' } });
    expect(placingOf({ ...nothingChosen, way: 'labels', labels: 'gpu=h100', most: '2' })).toEqual({ labels: { gpu: 'h100' }, count: 2 });
    expect(placingOf({ ...nothingChosen, way: 'labels', labels: 'gpu=h100', most: '1.5' })).toBe('Say on how many of them, or leave it empty for all.');
    expect(placingOf({ ...nothingChosen, way: 'labels', labels: ' , ' })).toBe('Name a label.');
    expect(placingOf({ ...nothingChosen, way: 'all' })).toEqual({ hosts: ['all'] });
  });
});

describe('labels', () => {
  it('are written as they are read', () => {
    expect(labelsIn(lineOf({ b: '1=2', a: '' }))).toEqual({ a: '', b: '1=2' });
    expect(labelsIn('a=1, west')).toBe('“west” is no label, such as site=west.');
  });
});

describe('the name of a model without one', () => {
  it('is that of its first file', () => {
    expect(nameAfter([{ name: 'Q w-00002-of-00002.gguf' }, { name: 'Q w-00001-of-00002.gguf' }])).toBe('Q-w');
    expect(nameAfter([{ name: '.hidden!' }])).toBe('');
    expect(nameAfter([])).toBe('');
  });
});

describe('why an upload stopped', () => {
  it('is said in words, with the server’s own', () => {
    const body = JSON.stringify({ code: 'too_large', error: 'a model may have at most 5 bytes here' });
    expect(failureOf(413, sentenceIn(body))).toEqual({ message: 'It is too large. A model may have at most 5 bytes here.', again: false });
    expect(failureOf(507, sentenceIn('<html>'))).toEqual({ message: 'There is no room for it.', again: true });
    expect(failureOf(409, 'the model is being stored already')).toEqual({ message: 'That can’t be taken in now. The model is being stored already.', again: true });
    expect(failureOf(400, 'the name is wrong')).toEqual({ message: 'The name is wrong.', again: false });
    expect(failureOf(404)).toEqual({ message: 'The control plane no longer has what was sent. Going on begins again.', again: true });
    expect(failureOf(502)).toEqual({ message: 'The control plane answered with status 502.', again: true });
    expect(failureOf(0)).toEqual({ message: 'The control plane can’t be reached.', again: true, away: true });
  });

  it('is no matter of what was sent where nothing was yet', () => {
    expect(refusalOf(new ApiError(404, 'not_found', 'there is no storage named x'))).toEqual({ message: 'There is no storage named x.', again: true });
    expect(refusalOf(new ApiError(507, 'full', 'there are 5 bytes free'))).toEqual({ message: 'There is no room for it. There are 5 bytes free.', again: true });
    expect(refusalOf(new TypeError('the client could not be loaded'))).toEqual(failureOf(0));
  });
});

describe('files that are chosen again', () => {
  const wanted = [{ filename: 'a-1', size: 1 }, { filename: 'a-2', size: 2 }, { filename: 'a-3', size: 3 }];
  const file = (name: string, size: number) => new File(['x'.repeat(size)], name);

  it('go on in the order in which they began', () => {
    const all = [file('a-3', 3), file('README', 9), file('a-1', 1), file('a-2', 2)];
    expect(chosenAgain(wanted, all)).toEqual([all[2], all[3], all[0]]);
  });

  it('have to be the same, and all of them', () => {
    expect(chosenAgain(wanted, [file('a-1', 1)])).toBe('a-2 and a-3 are missing.');
    expect(chosenAgain(wanted, [file('a-1', 1), file('a-2', 1)])).toBe('a-2 has another size than before. a-3 is missing.');
    expect(chosenAgain(wanted.slice(0, 1), [file('b', 1)])).toBe('That is another file: b of 1 B.');
    expect(chosenAgain(wanted.slice(0, 1), [file('a-1', 2)])).toBe('That is another file: a-1 of 2 B.');
  });

  it('are named, but not by the hundred', () => {
    expect(listed(['a'])).toBe('a');
    expect(listed(['a', 'b', 'c', 'd'])).toBe('a, b, c and d');
    expect(listed(['a', 'b', 'c', 'd', 'e'])).toBe('a, b, c and 2 more');
  });
});
