import { describe, expect, it } from 'vitest';

import { nothingChosen, placingOf } from './HostChoice';
import { labelsIn, lineOf } from './labels';
import { failureOf } from './upload/failure';
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
    expect(failureOf(413, body)).toEqual({ message: 'It is too large. A model may have at most 5 bytes here.', again: false });
    expect(failureOf(507, '<html>')).toEqual({ message: 'There is no room for it.', again: true });
    expect(failureOf(409, '{"error":"the model is being stored already"}')).toEqual({ message: 'That can’t be taken in now. The model is being stored already.', again: true });
    expect(failureOf(400, '{"error":"the name is wrong"}')).toEqual({ message: 'The name is wrong.', again: false });
    expect(failureOf(502)).toEqual({ message: 'The control plane answered with status 502.', again: true });
    expect(failureOf(0)).toEqual({ message: 'The control plane can’t be reached. Go on when it is back.', again: true });
  });
});
