import { act, fireEvent, screen, waitFor, within } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import type { ModelInfo, Operation } from '../../../api/types.gen';
import { useLive } from '../../../live/store';
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

async function open(operations: () => unknown = () => []) {
  vi.stubGlobal('XMLHttpRequest', server.requests());
  const page = await openPage('/models', { answers: { 'GET /api/models': [], 'GET /api/operations': operations, 'GET /api/storage': [], 'POST /api/uploads': server.begin } });
  await screen.findByRole('button', { name: 'Upload a model' });
  return page;
}

function upload(...files: File[]): void {
  fireEvent.click(screen.getByRole('button', { name: 'Upload a model' }));
  fireEvent.change(screen.getByLabelText('Files of the model'), { target: { files } });
  const form = document.querySelector('dialog form');
  if (form) fireEvent.submit(form);
}

// lose has nothing get through that begins an upload, until what it returns is called.
function lose(): () => void {
  const answers = window.fetch.bind(window);
  const begins = (init?: RequestInit) => init?.method === 'POST' && !(init.body as string).includes('"check":true');
  vi.stubGlobal('fetch', (url: string, init?: RequestInit) => (begins(init) ? Promise.reject(new TypeError('Failed to fetch')) : answers(url, init)));
  return () => vi.stubGlobal('fetch', answers);
}

const section = { name: 'Uploads from this browser' };
const uploads = () => within(screen.getByRole('region', section));
const sees = async (text: string) => within(await screen.findByRole('region', section)).findByText(text);
const click = (name: string) => fireEvent.click(uploads().getByRole('button', { name }));
const alerted = async () => within(await screen.findByRole('region', section)).findByRole('alert');
const told = async (text: string) => expect((await alerted()).textContent).toBe(text);
const kept = () => Object.keys(localStorage).filter((key) => key.startsWith('tus::'));
const only = () => [...server.held.values()].map(({ bytes }) => bytes);

it('has several files of a model go as one, in the order of their names', async () => {
  await open();
  upload(second(), first());
  await sees('Uploaded');
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
  await sees('8 B of 12 B');
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
  await sees('Uploaded');
  expect(only()).toEqual(['first,second']);
  expect(server.asked).toEqual(['POST', 'HEAD', 'PATCH', 'HEAD', 'PATCH']);
  expect(kept()).toEqual([]);
});

it('goes on where it was when the same is asked for once more, and begins anew when something else is', async () => {
  server.lineLasts = 8;
  await open();
  upload(first(), second());
  await sees('8 B of 12 B');
  leave();
  server.lineLasts = Infinity;
  await open();
  upload(first(), new File(['SECOND'], 'big-00002-of-00002.gguf', { lastModified: 3 }));
  await sees('Uploaded');
  expect(only()).toEqual(['first,se', 'first,SECOND']);
  upload(first(), second());
  await waitFor(() => expect(only()).toEqual(['first,second', 'first,SECOND']));
});

it('begins anew where the control plane has let go of what was sent before', async () => {
  server.lineLasts = 3;
  await open();
  upload(first());
  await sees('3 B of 6 B');
  leave();
  server.lineLasts = Infinity;
  server.held.clear();
  await open();
  fireEvent.change(await screen.findByLabelText('The file big-00001-of-00002.gguf'), { target: { files: [first()] } });
  await sees('Uploaded');
  expect(only()).toEqual(['first,']);
  expect(kept()).toEqual([]);
});

it('says so where what is being sent is gone, and begins anew when asked to', async () => {
  server.lineLasts = 3;
  await open();
  upload(first());
  await sees('3 B of 6 B');
  click('Pause the upload of big');
  server.held.clear();
  server.lineLasts = Infinity;
  click('Go on with the upload of big');
  await told('The control plane no longer has what was sent. Going on begins again.');
  expect(kept()).toEqual([]);
  click('Go on with the upload of big');
  await sees('Uploaded');
  expect(only()).toEqual(['first,']);
});

it('is paused, goes on, and is cancelled for good', async () => {
  server.lineLasts = 4;
  await open();
  upload(first(), second());
  await sees('4 B of 12 B');
  click('Pause the upload of big');
  await sees('Paused');
  click('Go on with the upload of big');
  await sees('8 B of 12 B');
  expect(kept()).toHaveLength(1);
  click('Cancel the upload of big');
  await waitFor(() => expect(only()).toEqual([]));
  await waitFor(() => expect(screen.queryByRole('region', section)).toBeNull());
  expect(kept()).toEqual([]);
});

it('is not forgotten when the control plane does not hear that it is cancelled', async () => {
  server.lineLasts = 4;
  await open();
  upload(first(), second());
  await sees('4 B of 12 B');
  server.next = { status: 0, body: '' };
  click('Cancel the upload of big');
  await screen.findByText('Not finished');
  click('Discard the upload of big');
  await waitFor(() => expect(screen.queryByRole('region', section)).toBeNull());
  expect(only()).toEqual([]);
});

it('leaves nothing when it is cancelled before it has begun', async () => {
  await open();
  let answer = (): void => undefined;
  vi.stubGlobal('fetch', (_: string, init: RequestInit) => {
    const asked = { query: '', body: JSON.parse(init.body as string) as { check?: boolean }, headers: new Headers(init.headers) };
    if (asked.body.check === true) return Promise.resolve(server.begin(asked));
    return new Promise((resolve) => {
      answer = () => resolve(server.begin(asked));
    });
  });
  upload(first(), second());
  await sees('Uploading');
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
  await sees('7 B of 12 B');
  click('Pause the upload of big');
  server.next = { status: 0, body: '' };
  server.lineLasts = Infinity;
  click('Go on with the upload of big');
  await sees('Uploaded');
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
    await told('The control plane can’t be reached. It goes on by itself when that is back.');
    click('Go on with the upload of big');
  }
  await sees('Uploaded');
  expect(server.asked.filter((what) => what === 'POST')).toHaveLength(unanswered + 1);
  expect(only()).toEqual(['first,second']);
});

it.each([
  [0, '', 'The control plane can’t be reached. It goes on by itself when that is back.', true],
  [400, '{"error":"“a b” is no name of a model"}', '“a b” is no name of a model.', false],
  [413, '{"error":"a model may have at most 5 bytes here"}', 'It is too large. A model may have at most 5 bytes here.', false],
  [507, '{"error":"there is no room for 12 bytes"}', 'There is no room for it. There is no room for 12 bytes.', true],
])('says why it does not begin though it would have been taken: %d', async (status, body, sentence, again) => {
  await open();
  if (status === 0) lose();
  else server.next = { status, body };
  upload(first(), second());
  await told(sentence);
  expect(uploads().queryByRole('button', { name: 'Go on with the upload of big' }) !== null).toBe(again);
  expect(kept()).toEqual([]);
});

it('is not begun where the control plane would refuse it, which is said beside what is asked', async () => {
  await open();
  server.refusal = { status: 400, body: '{"error":"files are missing: big-00002-of-00002.gguf"}' };
  upload(first());
  const form = within(screen.getByRole('dialog'));
  expect((await form.findByRole('alert')).textContent).toBe('Files are missing: big-00002-of-00002.gguf.');
  expect(server.asked).toEqual([]);
  server.refusal = undefined;
  fireEvent.change(form.getByLabelText('Files of the model'), { target: { files: [second()] } });
  expect(form.queryByRole('alert')).toBeNull();
  fireEvent.click(form.getByRole('button', { name: 'Upload' }));
  await sees('Uploaded');
  expect(only()).toEqual(['first,second']);
});

it('offers the storages that take files', async () => {
  const answers = { 'GET /api/models': [], 'GET /api/operations': [], 'GET /api/storage': [{ name: 'disk', read_only: false }, { name: 'hub', read_only: true }] };
  await openPage('/models', { answers });
  fireEvent.click(await screen.findByRole('button', { name: 'Upload a model' }));
  await screen.findByRole('option', { name: 'disk' });
  expect(screen.queryByRole('option', { name: 'hub' })).toBeNull();
});

it('says that what it is called is there already', async () => {
  await openPage('/models', { answers: { 'GET /api/models': [{ id: 'm_1', name: 'big:latest', status: 'stored', size: 1, digests: [], residencies: [], conflict: false, progress: null } as Partial<ModelInfo>], 'GET /api/operations': [], 'GET /api/storage': [] } });
  fireEvent.click(await screen.findByRole('button', { name: 'Upload a model' }));
  const name = screen.getByRole('textbox', { name: 'Name' });
  fireEvent.change(name, { target: { value: 'big' } });
  screen.getByText('There is a model of that name. This one takes its place.');
  fireEvent.change(name, { target: { value: 'big:q4' } });
  expect(screen.queryByText('There is a model of that name. This one takes its place.')).toBeNull();
});

it('says what became of the model when every byte is there', async () => {
  let state: Partial<Operation> = { kind: 'upload', state: 'done' };
  const page = await open(() => [{ id: 'o', model: 'big', model_id: 'm_1', done_bytes: 0, total_bytes: 12, attempts: 1, created_at: '', changed_at: '', progress: 0, ...state }]);
  upload(first(), second());
  await sees('Every byte is there. The model appears below when it is stored.');
  state = { kind: 'store', state: 'failed', error: 'big.gguf: the file is not a GGUF' };
  page.push('model_progress', { model_id: 'm_1', progress: 0, operations: [] });
  await sees('Can’t be used');
  await sees('big.gguf: the file is not a GGUF.');
});

it.each([
  ['has no room left', () => vi.spyOn(Storage.prototype, 'setItem').mockImplementation(() => { throw new DOMException('it is full', 'QuotaExceededError'); })],
  ['may not keep anything', () => vi.spyOn(Storage.prototype, 'setItem').mockImplementation(() => { throw new DOMException('no', 'SecurityError'); })],
])('uploads as well in a browser that %s', async (_, forbid) => {
  const forbidden = forbid();
  await open();
  upload(first(), second());
  await sees('Uploaded');
  expect(only()).toEqual(['first,second']);
  expect(server.asked).toEqual(['POST', 'HEAD', 'PATCH']);
  forbidden.mockRestore();
});

it('keeps little of many files, and once', async () => {
  server.lineLasts = 3;
  await open();
  const many = Array.from({ length: 500 }, (_, i) => new File(['x'], `model-${String(i).padStart(5, '0')}.safetensors`));
  upload(...many);
  await sees('3 B of 500 B');
  const bytes = Object.entries(localStorage).reduce((sum, [key, value]) => sum + key.length + String(value).length, 0);
  expect(bytes).toBeLessThan(500 * 80);
});

it('says that nothing gets through, and goes on at once when the control plane is back', async () => {
  server.lineLasts = 4;
  await open();
  upload(first(), second());
  await sees('4 B of 12 B');
  click('Pause the upload of big');
  server.down = true;
  click('Go on with the upload of big');
  await sees('Waiting');
  await sees('4 B of 12 B. Nothing gets through just now; it goes on by itself.');
  server.down = false;
  server.lineLasts = Infinity;
  act(() => useLive.setState({ phase: 'live' }));
  await sees('Uploaded');
  expect(only()).toEqual(['first,second']);
});

it('goes on when the control plane is back, though it had given up', async () => {
  await open();
  const find = lose();
  upload(first(), second());
  await told('The control plane can’t be reached. It goes on by itself when that is back.');
  find();
  act(() => useLive.setState({ phase: 'live' }));
  await sees('Uploaded');
  expect(only()).toEqual(['first,second']);
});

it('shows what another window sends, and does not offer to send it as well', async () => {
  server.lineLasts = 8;
  await open();
  upload(first(), second());
  await sees('8 B of 12 B');
  const [url = ''] = server.held.keys();
  leave();
  await open();
  await sees('Not finished');
  const other = new BroadcastChannel('corral uploads');
  await waitFor(() => {
    other.postMessage({ from: 0, url, sentBytes: 6 }); // as it does every now and then
    uploads().getByText('Another window of this browser sends it.');
    expect(uploads().queryAllByRole('button')).toEqual([]);
    expect(uploads().getByRole('meter', { name: 'Upload of big' }).getAttribute('aria-valuenow')).toBe('50');
  });
  other.close();
});

it('goes on once what kept it from beginning is over', async () => {
  await open();
  server.next = { status: 507, body: '{"error":"there is no room"}' };
  upload(first(), second());
  await alerted();
  click('Go on with the upload of big');
  await sees('Uploaded');
  expect(only()).toEqual(['first,second']);
});

it('asks to sign in again where nobody is signed in any more', async () => {
  server.lineLasts = 3;
  await open();
  upload(first(), second());
  await sees('3 B of 12 B');
  click('Pause the upload of big');
  server.next = { status: 401, body: '{"error":"sign in first"}' };
  click('Go on with the upload of big');
  await told('You are signed out. Sign in, and go on. Sign in first.');
  server.lineLasts = Infinity;
  click('Go on with the upload of big');
  await sees('Uploaded');
  expect(only()).toEqual(['first,second']);
});
