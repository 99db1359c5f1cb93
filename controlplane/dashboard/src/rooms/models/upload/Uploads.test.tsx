import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { closePage, openPage } from '../../fleet/testPage';
import { useTransfers } from './transfers';
import { UploadServer } from './uploadServer.testing';

let server: UploadServer;
beforeEach(() => {
  server = new UploadServer();
});

// leave closes the page, and what it had in memory is gone.
function leave(): void {
  closePage();
  useTransfers.setState({ list: [] });
}

afterEach(() => {
  leave();
  localStorage.clear();
});

const first = () => new File(['first,'], 'big-00001-of-00002.gguf', { lastModified: 1 });
const second = () => new File(['second'], 'big-00002-of-00002.gguf', { lastModified: 2 });

async function open(): Promise<void> {
  vi.stubGlobal('XMLHttpRequest', server.requests());
  await openPage('/models', { answers: { 'GET /api/models': [], 'GET /api/operations': [], 'GET /api/storage': [], 'POST /api/uploads': server.begin } });
  await screen.findByRole('button', { name: 'Upload a model' });
}

function upload(...files: File[]): void {
  fireEvent.click(screen.getByRole('button', { name: 'Upload a model' }));
  fireEvent.change(screen.getByLabelText('Files of the model'), { target: { files } });
  const form = document.querySelector('dialog form');
  if (form) fireEvent.submit(form);
}

const uploads = () => within(screen.getByRole('region', { name: 'Uploads from this browser' }));
const click = (name: string) => fireEvent.click(uploads().getByRole('button', { name }));
const told = async (text: string) => expect((await uploads().findByRole('alert')).textContent).toBe(text);
const kept = () => Object.keys(localStorage).filter((key) => key.startsWith('tus::'));
const only = () => [...server.held.values()].map(({ bytes }) => bytes);

it('has several files of a model go as one, in the order of their names', async () => {
  await open();
  upload(second(), first());
  await uploads().findByText('Uploaded');
  expect([...server.held.values()]).toEqual([
    {
      announced: {
        name: 'big',
        description: '',
        storage: '',
        quantize: '',
        hosts: [],
        files: [
          { filename: 'big-00001-of-00002.gguf', size: 6 },
          { filename: 'big-00002-of-00002.gguf', size: 6 },
        ],
      },
      length: 12,
      bytes: 'first,second',
    },
  ]);
  expect(uploads().getByRole('link', { name: 'big' }).getAttribute('href')).toBe('/models/m_1');
  expect(kept()).toEqual([]);
});

it('goes on after a reload when all of its files are chosen again', async () => {
  server.lineLasts = 8;
  await open();
  upload(first(), second());
  await uploads().findByText('8 B of 12 B');
  const leaving = new Event('beforeunload', { cancelable: true });
  window.dispatchEvent(leaving);
  expect(leaving.defaultPrevented).toBe(true);

  leave();
  server.lineLasts = Infinity;
  await open();
  await screen.findByText('Not finished');
  expect(uploads().getByText('2 files, 12 B')).toBeTruthy();
  const files = uploads().getByLabelText<HTMLInputElement>('The files of big');
  expect(files.multiple).toBe(true);
  fireEvent.change(files, { target: { files: [new File(['other'], 'big-00001-of-00002.gguf')] } });
  await told('big-00001-of-00002.gguf has another size than before. big-00002-of-00002.gguf is missing.');
  fireEvent.change(files, { target: { files: [second()] } });
  await told('big-00001-of-00002.gguf has another size than before.');
  fireEvent.change(files, { target: { files: [first()] } });
  await uploads().findByText('Uploaded');
  expect(only()).toEqual(['first,second']);
  expect(server.asked).toEqual(['POST', 'HEAD', 'PATCH', 'HEAD', 'PATCH']);
  expect(kept()).toEqual([]);
});

it('goes on where it was when the same is asked for once more, and begins anew when something else is', async () => {
  server.lineLasts = 8;
  await open();
  upload(first(), second());
  await uploads().findByText('8 B of 12 B');
  leave();
  server.lineLasts = Infinity;
  await open();
  upload(first(), new File(['SECOND'], 'big-00002-of-00002.gguf', { lastModified: 3 }));
  await uploads().findByText('Uploaded');
  expect(only()).toEqual(['first,se', 'first,SECOND']);
  upload(first(), second());
  await waitFor(() => expect(only()).toEqual(['first,second', 'first,SECOND']));
});

it('begins anew where the control plane has let go of what was sent before', async () => {
  server.lineLasts = 3;
  await open();
  upload(first());
  await uploads().findByText('3 B of 6 B');
  leave();
  server.lineLasts = Infinity;
  server.held.clear();
  await open();
  fireEvent.change(await screen.findByLabelText('The file big-00001-of-00002.gguf'), { target: { files: [first()] } });
  await uploads().findByText('Uploaded');
  expect(only()).toEqual(['first,']);
  expect(kept()).toEqual([]);
});

it('says so where what is being sent is gone, and begins anew when asked to', async () => {
  server.lineLasts = 3;
  await open();
  upload(first());
  await uploads().findByText('3 B of 6 B');
  click('Pause the upload of big');
  server.held.clear();
  server.lineLasts = Infinity;
  click('Go on with the upload of big');
  await told('The control plane no longer has what was sent. Going on begins again.');
  expect(kept()).toEqual([]);
  click('Go on with the upload of big');
  await uploads().findByText('Uploaded');
  expect(only()).toEqual(['first,']);
});

it('is paused, goes on, and is cancelled for good', async () => {
  server.lineLasts = 4;
  await open();
  upload(first(), second());
  await uploads().findByText('4 B of 12 B');
  click('Pause the upload of big');
  await uploads().findByText('Paused');
  click('Go on with the upload of big');
  await uploads().findByText('8 B of 12 B');
  expect(kept()).toHaveLength(1);
  click('Cancel the upload of big');
  await waitFor(() => expect(only()).toEqual([]));
  await waitFor(() => expect(screen.queryByRole('region', { name: 'Uploads from this browser' })).toBeNull());
  expect(kept()).toEqual([]);
});

it('is not forgotten when the control plane does not hear that it is cancelled', async () => {
  server.lineLasts = 4;
  await open();
  upload(first(), second());
  await uploads().findByText('4 B of 12 B');
  server.next = { status: 0, body: '' };
  click('Cancel the upload of big');
  await screen.findByText('Not finished');
  click('Discard the upload of big');
  await waitFor(() => expect(screen.queryByRole('region', { name: 'Uploads from this browser' })).toBeNull());
  expect(only()).toEqual([]);
});

it('leaves nothing when it is cancelled before it has begun', async () => {
  await open();
  let answer = (): void => undefined;
  vi.stubGlobal('fetch', (_: string, init: RequestInit) => new Promise((resolve) => {
    answer = () => resolve(server.begin({ query: '', body: JSON.parse(init.body as string), headers: new Headers(init.headers) }));
  }));
  upload(first(), second());
  await uploads().findByText('Uploading');
  click('Pause the upload of big');
  click('Go on with the upload of big');
  click('Cancel the upload of big');
  answer();
  await waitFor(() => expect(server.asked).toEqual(['POST', 'DELETE']));
  await waitFor(() => expect(useTransfers.getState().list).toEqual([]));
});

it('goes on by itself after a broken line', async () => {
  server.lineLasts = 7;
  await open();
  upload(first(), second());
  await uploads().findByText('7 B of 12 B');
  click('Pause the upload of big');
  server.next = { status: 0, body: '' };
  server.lineLasts = Infinity;
  click('Go on with the upload of big');
  await uploads().findByText('Uploaded');
  expect(only()).toEqual(['first,second']);
});

it.each([
  ['by itself', 2],
  ['by hand', 4],
])('begins once though the answer to that is lost, and goes on %s', async (how, unanswered) => {
  server.unanswered = unanswered;
  await open();
  upload(first(), second());
  if (how === 'by hand') {
    await told('The control plane can’t be reached. Go on when it is back.');
    click('Go on with the upload of big');
  }
  await uploads().findByText('Uploaded');
  expect(server.asked.filter((what) => what === 'POST')).toHaveLength(unanswered + 1);
  expect(only()).toEqual(['first,second']);
});

it.each([
  [0, '', 'The control plane can’t be reached. Go on when it is back.', true],
  [400, '{"error":"“a b” is no name of a model"}', '“a b” is no name of a model.', false],
  [413, '{"error":"a model may have at most 5 bytes here"}', 'It is too large. A model may have at most 5 bytes here.', false],
  [507, '{"error":"there is no room for 12 bytes"}', 'There is no room for it. There is no room for 12 bytes.', true],
])('says why it does not begin: %d', async (status, body, sentence, again) => {
  await open();
  if (status === 0) vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
  else server.next = { status, body };
  upload(first(), second());
  await told(sentence);
  expect(uploads().queryByRole('button', { name: 'Go on with the upload of big' }) !== null).toBe(again);
  expect(kept()).toEqual([]);
});

it('goes on once what kept it from beginning is over', async () => {
  await open();
  server.next = { status: 507, body: '{"error":"there is no room"}' };
  upload(first(), second());
  await uploads().findByRole('alert');
  click('Go on with the upload of big');
  await uploads().findByText('Uploaded');
  expect(only()).toEqual(['first,second']);
});

it('asks to sign in again where nobody is signed in any more', async () => {
  server.lineLasts = 3;
  await open();
  upload(first(), second());
  await uploads().findByText('3 B of 12 B');
  click('Pause the upload of big');
  server.next = { status: 401, body: '{"error":"sign in first"}' };
  click('Go on with the upload of big');
  await told('You are signed out. Sign in, and go on. Sign in first.');
  server.lineLasts = Infinity;
  click('Go on with the upload of big');
  await uploads().findByText('Uploaded');
  expect(only()).toEqual(['first,second']);
});
