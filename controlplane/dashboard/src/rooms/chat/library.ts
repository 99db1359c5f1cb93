import { create } from 'zustand';

import type { Conversation } from './conversation';
import { forget, forgetAll, keep, NotKept, prefix, readAll, type Store } from './shelf';

interface Library {
  /** The newest first; null until this browser was asked. */
  list: Conversation[] | null;
  /** Why what is said now is not kept, as a sentence; empty when it is. */
  trouble: string;
  /** The ids of those that the browser had no room for: they are in this page alone. */
  unkept: readonly string[];
}

/** The conversations of this browser. */
export const useLibrary = create<Library>(() => ({ list: null, trouble: '', unkept: [] }));

const refused = 'This browser keeps nothing for this page. What is said here is lost when you leave it.';

/** Reads the conversations, and again whenever another tab changes them, until the returned function is called. */
export function openLibrary(): () => void {
  if (useLibrary.getState().list === null) reload();
  const changed = ({ key }: StorageEvent) => {
    if (key === null || key.startsWith(prefix)) reload();
  };
  window.addEventListener('storage', changed);
  return () => window.removeEventListener('storage', changed);
}

function reload(): void {
  try {
    const read = readAll(store());
    useLibrary.setState(({ list, unkept }) => {
      const own = (list ?? []).filter(({ id }) => unkept.includes(id));
      return { list: newestFirst([...own, ...read.filter(({ id }) => !unkept.includes(id))]) };
    });
  } catch {
    useLibrary.setState(({ list }) => ({ list: list ?? [], trouble: refused }));
  }
}

export function find(id: string): Conversation | undefined {
  return useLibrary.getState().list?.find((one) => one.id === id);
}

/** Keeps a conversation in this page, and in the browser if that has room for it. */
export function put(conversation: Conversation): void {
  let dropped: string[] = [];
  let trouble = '';
  try {
    dropped = keep(store(), conversation);
  } catch (error) {
    trouble = error instanceof NotKept ? error.message : refused;
  }
  useLibrary.setState(({ list, unkept }) => {
    const others = (list ?? []).filter(({ id }) => id !== conversation.id && !dropped.includes(id));
    const without = unkept.filter((id) => id !== conversation.id);
    return { list: newestFirst([conversation, ...others]), trouble, unkept: trouble === '' ? without : [...without, conversation.id] };
  });
}

function newestFirst(list: Conversation[]): Conversation[] {
  return list.sort((a, b) => b.updatedAt - a.updatedAt);
}

export function remove(id: string): void {
  useLibrary.setState(({ list }) => ({ list: list?.filter((one) => one.id !== id) ?? null }));
  try {
    forget(store(), id);
  } catch {
    useLibrary.setState({ trouble: refused });
  }
}

export function removeAll(): void {
  useLibrary.setState({ list: [], trouble: '', unkept: [] });
  try {
    forgetAll(store());
  } catch {
    useLibrary.setState({ trouble: refused });
  }
}

/** Even naming the browser's storage throws where it is forbidden. */
function store(): Store {
  return window.localStorage;
}
