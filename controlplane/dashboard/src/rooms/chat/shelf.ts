import type { Conversation } from './conversation';
import { parseConversation } from './stored';

/** What each entry's name begins with. What is kept in another form gets another number. */
export const prefix = 'corral.chat.v1.';

/** How many conversations are kept, and in how many bytes of UTF-16. */
export const countLimit = 50;
export const bytesLimit = 2 * 1024 * 1024;

/** What a browser keeps texts in. Any use of it may throw. */
export type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>;

/** A conversation could not be kept, for a reason that is a sentence. */
export class NotKept extends Error {
  override readonly name = 'NotKept';
}

const noRoom = 'This browser keeps no more. What is said here now is lost when you leave the page; export it if you need it.';

/** Reads every conversation, the newest first. Entries that are broken are left where they are. */
export function readAll(store: Store): Conversation[] {
  return entries(store).flatMap(({ conversation }) => (conversation === null ? [] : [conversation]));
}

/**
 * Keeps a conversation, in the place of what was kept of it before, and drops
 * the oldest ones that there is no more room for, of which it returns the ids.
 * It throws NotKept when there is no room even so.
 */
export function keep(store: Store, conversation: Conversation): string[] {
  const key = prefix + conversation.id;
  const value = JSON.stringify(conversation);
  const own = bytesOf(key, value);
  if (own > bytesLimit) throw new NotKept('This conversation is too long to be kept in this browser. Export it if you need it.');
  const others = entries(store).filter((entry) => entry.key !== key);
  const dropped: string[] = [];
  let freed = 0;
  const dropOldest = () => {
    const oldest = others.pop();
    if (oldest === undefined) return;
    store.removeItem(oldest.key);
    freed += oldest.bytes;
    if (oldest.conversation) dropped.push(oldest.conversation.id);
  };
  const used = () => others.reduce((sum, entry) => sum + entry.bytes, own);
  while (others.length >= countLimit || used() > bytesLimit) dropOldest();
  freed = 0;
  for (;;) {
    try {
      store.setItem(key, value);
      return dropped;
    } catch (error) {
      // When the room of as much as this takes didn't help, more won't.
      const full = error instanceof DOMException && error.name === 'QuotaExceededError';
      if (!full || others.length === 0 || freed >= own) throw new NotKept(noRoom, { cause: error });
      dropOldest();
    }
  }
}

/** Forgets a conversation. */
export function forget(store: Store, id: string): void {
  store.removeItem(prefix + id);
}

/** Forgets all conversations, and what is broken as well. */
export function forgetAll(store: Store): void {
  for (const key of keysOf(store)) store.removeItem(key);
}

interface Entry {
  key: string;
  bytes: number;
  conversation: Conversation | null;
}

/** All entries of ours, the newest first and the broken ones last. */
function entries(store: Store): Entry[] {
  const found = keysOf(store).map((key): Entry => {
    const value = store.getItem(key) ?? '';
    return { key, bytes: bytesOf(key, value), conversation: parseConversation(value) };
  });
  const age = ({ conversation }: Entry) => conversation?.updatedAt ?? -Infinity;
  return found.sort((a, b) => (age(a) === age(b) ? 0 : age(b) - age(a)));
}

function keysOf(store: Store): string[] {
  return Array.from({ length: store.length }, (_, i) => store.key(i) ?? '').filter((key) => key.startsWith(prefix));
}

function bytesOf(key: string, value: string): number {
  return 2 * (key.length + value.length);
}
