import { cleanup, fireEvent, screen, waitFor, within } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { ChatRequest } from '../../api/chat';
import { hostsQuery, modelsQuery } from '../../api/queries';
import { type Role, sessionQuery } from '../../api/session';
import type { ModelInfo, Session } from '../../api/types.gen';
import { renderRoom } from '../../ui/renderRoom.testing';
import { Chat } from './Chat';
import { removeAll, useLibrary } from './library';
import { useRuns } from './runs';
import { chatSearch } from './search';
import { prefix } from './shelf';

const cold = { id: 'm_1', name: 'a-cold:1b', status: 'available', size: 1024, digests: [], residencies: [{ host_id: 'h1', host: 'one', status: 'available' }] };
const warm = { id: 'm_2', name: 'b-warm:1b', status: 'loaded', size: 1024, digests: [], residencies: [{ host_id: 'h2', host: 'two', status: 'loaded' }] };
const models = [cold, warm] as unknown as ModelInfo[];

/** The server's side of what was asked last. */
let asked: ChatRequest[] = [];
let line: (value: object) => void;
let end: () => void;
let stopped: Promise<void>;

beforeEach(() => {
  asked = [];
  window.scrollTo = () => undefined;
  vi.stubGlobal('fetch', (_: string, { body, signal }: RequestInit) => {
    asked.push(JSON.parse(body as string) as ChatRequest);
    const answer = new ReadableStream<Uint8Array>({
      start(controller) {
        line = (value) => controller.enqueue(new TextEncoder().encode(JSON.stringify(value) + '\n'));
        end = () => controller.close();
        stopped = new Promise((resolve) =>
          signal?.addEventListener('abort', () => {
            controller.error(signal.reason);
            resolve();
          }),
        );
      },
    });
    return Promise.resolve(new Response(answer, { headers: { 'Corral-Host': 'two' } }));
  });
});

afterEach(() => {
  vi.restoreAllMocks();
  for (const run of Object.values(useRuns.getState())) run.stop();
  cleanup();
  removeAll();
  useLibrary.setState({ list: null, trouble: '', unkept: [] });
  vi.unstubAllGlobals();
});

function open(address = '/chat', role: Role = 'inference') {
  return renderRoom({ path: '/chat', component: Chat, validateSearch: chatSearch }, address, (queries) => {
    queries.setQueryData(modelsQuery.queryKey, models);
    queries.setQueryData(hostsQuery.queryKey, []);
    queries.setQueryData(sessionQuery.queryKey, { role } as Session);
  });
}

async function say(text: string): Promise<void> {
  const before = asked.length;
  const field = await screen.findByLabelText('Your message');
  fireEvent.change(field, { target: { value: text } });
  fireEvent.keyDown(field, { key: 'Enter' });
  await waitFor(() => expect(asked.length).toBe(before + 1));
}

const last = { done: true, done_reason: 'stop', eval_count: 10, eval_duration: 1e9, load_duration: 1, prompt_eval_count: 3 };

async function answered(text: string): Promise<void> {
  line({ message: { content: text } });
  line(last);
  end();
  await screen.findByRole('button', { name: 'Regenerate' });
}

describe('a conversation', () => {
  it('asks the model that is ready, shows its answer and how it went, and stands in the address', async () => {
    const { history } = open();
    await say('Why?');
    expect(asked[0]).toEqual({ model: 'b-warm:1b', messages: [{ role: 'user', content: 'Why?' }], stream: true });
    await answered('**Because**');
    expect((await screen.findByText('Because')).tagName).toBe('STRONG');
    expect(screen.getByText('10 tokens/s')).toBeTruthy();
    expect(screen.getByText('two')).toBeTruthy();
    expect(history.location.search).toContain('chat=');
    expect(history.location.search).toContain('model=');
  });

  it('asks once at a time, and goes on with what was said', async () => {
    open();
    await say('one');
    const field = screen.getByLabelText('Your message');
    fireEvent.change(field, { target: { value: 'two' } });
    fireEvent.keyDown(field, { key: 'Enter' });
    expect(screen.queryByRole('button', { name: 'Send' })).toBeNull();
    await answered('first');
    expect(asked).toHaveLength(1);
    fireEvent.keyDown(field, { key: 'Enter' });
    await waitFor(() => expect(asked).toHaveLength(2));
    expect(asked[1]?.messages.map(({ content }) => content)).toEqual(['one', 'first', 'two']);
  });

  it('keeps what came when it is stopped by Esc', async () => {
    open();
    await say('long');
    line({ message: { content: 'as far as' } });
    await screen.findByText('as far as');
    fireEvent.keyDown(document.body, { key: 'Escape' });
    await stopped;
    await screen.findByText('Stopped');
    expect(screen.getByText('as far as')).toBeTruthy();
    expect(useLibrary.getState().list?.[0]?.turns[1]).toMatchObject({ content: 'as far as', state: 'stopped' });
  });

  it('shows an error in the place of the answer, and tries again', async () => {
    open();
    await say('hard');
    line({ error: 'the host went away' });
    end();
    expect((await screen.findByRole('alert')).textContent).toContain('The host went away.');
    fireEvent.click(screen.getByRole('button', { name: 'Try again' }));
    await waitFor(() => expect(asked).toHaveLength(2));
    expect(asked[1]).toEqual(asked[0]);
    await answered('well');
    expect(screen.queryByRole('alert')).toBeNull();
  });

  it('replaces what followed a question that is edited', async () => {
    open();
    await say('wrnog');
    await answered('what?');
    fireEvent.click(screen.getByRole('button', { name: 'Edit' }));
    const [field] = screen.getAllByLabelText('Your message');
    if (field) fireEvent.change(field, { target: { value: 'right' } });
    fireEvent.click(screen.getByRole('button', { name: 'Send again' }));
    await waitFor(() => expect(asked).toHaveLength(2));
    expect(asked[1]?.messages).toEqual([{ role: 'user', content: 'right' }]);
  });

  it('shows what a model thinks apart, folded', async () => {
    open();
    await say('think');
    line({ message: { thinking: 'hm' } });
    const summary = await screen.findByText('Thinking…');
    expect(summary.closest('details')?.open).toBe(false);
    await answered('so');
    expect(screen.getByText('What it thought')).toBeTruthy();
  });

  it('says that a cold model is being loaded', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
    try {
      open('/chat?model=a-cold:1b');
      await say('wake up');
      vi.advanceTimersByTime(1000);
      expect(screen.queryByText(/being loaded/)).toBeNull();
      vi.advanceTimersByTime(2000);
      await screen.findByText(/The model is being loaded/);
      line({ message: { content: 'awake' } });
      await screen.findByText(/Answering/);
    } finally {
      vi.useRealTimers();
    }
  });

  it('renders at most once a frame, however many pieces come', async () => {
    open();
    await say('many');
    let renders = 0;
    const ended = useRuns.subscribe(() => renders++);
    const frames = vi.spyOn(window, 'requestAnimationFrame');
    for (let i = 0; i < 500; i++) line({ message: { content: `${i} ` } });
    await screen.findByText(/499/);
    ended();
    expect(renders).toBeLessThanOrEqual(frames.mock.calls.length);
    expect(renders).toBeLessThan(50);
  });

  it('sends its settings, and nothing while one is wrong', async () => {
    open();
    fireEvent.click(await screen.findByRole('button', { name: 'Settings', expanded: false }));
    fireEvent.change(screen.getByLabelText('Temperature'), { target: { value: 'hot' } });
    expect(screen.getByRole('alert').textContent).toBe('This is not a number.');
    const field = screen.getByLabelText('Your message');
    fireEvent.change(field, { target: { value: 'x' } });
    expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Send' }).disabled).toBe(true);
    fireEvent.change(screen.getByLabelText('Temperature'), { target: { value: '0.2' } });
    fireEvent.change(screen.getByLabelText('System prompt'), { target: { value: 'Be kind.' } });
    await say('y');
    expect(asked[0]).toMatchObject({ options: { temperature: 0.2 }, messages: [{ role: 'system', content: 'Be kind.' }, { role: 'user', content: 'y' }] });
  });
});

describe('the room', () => {
  it('lists the models in memory first, with their hosts', async () => {
    open();
    fireEvent.click(await screen.findByRole('button', { name: /^Model:/ }));
    const items = within(screen.getByRole('dialog')).getAllByRole('listitem');
    expect(items.map((item) => item.textContent)).toEqual([expect.stringContaining('b-warm:1b'), expect.stringContaining('a-cold:1b')]);
    expect(items[0]?.textContent).toContain('two');
  });

  it('says when no host has the model that was asked for', async () => {
    open('/chat?model=gone');
    await screen.findByText(/No host that can be reached now has gone/);
  });

  it('offers no question to who may only look, and says why', async () => {
    open('/chat', 'viewer');
    await screen.findByText(/A key with the role inference may/);
    expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Send' }).disabled).toBe(true);
  });

  it('says that a conversation is not here', async () => {
    open('/chat?chat=none');
    await screen.findByText('This conversation is not here');
  });

  it('keeps conversations over a reload, lists them, finds them and forgets them', async () => {
    const first = open();
    await say('remember me');
    await answered('yes');
    const address = first.history.location.href;
    cleanup();
    useLibrary.setState({ list: null });
    open(address);
    await screen.findByText('yes');
    expect(await screen.findByRole('link', { name: /remember me/ })).toBeTruthy();
    fireEvent.change(screen.getByLabelText('Search in the conversations'), { target: { value: 'nowhere' } });
    await screen.findByText('None has these words.');
    fireEvent.click(screen.getByRole('button', { name: 'Delete all' }));
    fireEvent.click(screen.getByRole('button', { name: 'Delete all 1' }));
    await screen.findByText(/No conversation yet/);
    expect(screen.queryByText('yes')).toBeNull();
    expect(Object.keys(localStorage).filter((key) => key.startsWith(prefix))).toEqual([]);
  });

  it('goes on when the browser keeps nothing, and says so', async () => {
    vi.spyOn(window, 'localStorage', 'get').mockImplementation(() => {
      throw new DOMException('no', 'SecurityError');
    });
    open();
    await say('still there?');
    await answered('I am');
    expect(screen.getByText(/This browser keeps nothing for this page/)).toBeTruthy();
  });

  it('takes over what another tab does, and keeps what is in this page alone', async () => {
    open();
    await say('here');
    const full = () => {
      throw new DOMException('full', 'QuotaExceededError');
    };
    vi.spyOn(window, 'localStorage', 'get').mockReturnValue({ length: 0, key: () => null, getItem: () => null, setItem: full, removeItem: full, clear: full });
    await answered('I stay');
    expect(screen.getByText(/This browser keeps no more/)).toBeTruthy();
    fireEvent(window, new StorageEvent('storage', { key: null }));
    expect(screen.getByText('I stay')).toBeTruthy();
  });

  it('renames a conversation and deletes it', async () => {
    open();
    await say('old name');
    await answered('yes');
    const choose = async (item: string) => {
      fireEvent.keyDown(screen.getByRole('button', { name: /^More for/ }), { key: 'Enter' });
      fireEvent.click(await screen.findByRole('menuitem', { name: item }));
    };
    await choose('Rename');
    fireEvent.change(screen.getByLabelText('Title'), { target: { value: ' new name ' } });
    fireEvent.submit(screen.getByLabelText('Title'));
    await screen.findByRole('link', { name: /new name/ });
    await choose('Delete');
    fireEvent.click(within(await screen.findByRole('dialog')).getByRole('button', { name: 'Delete' }));
    await screen.findByText(/No conversation yet/);
    expect(Object.keys(localStorage).filter((key) => key.startsWith(prefix))).toEqual([]);
  });
});
