import { describe, expect, it } from 'vitest';

import type { Conversation } from './conversation';
import { noSettings } from './settings';
import { bytesLimit, countLimit, forget, forgetAll, keep, NotKept, prefix, readAll, type Store } from './shelf';

/** A browser's storage that has room for so many characters. */
class Shelf implements Store {
  readonly kept = new Map<string, string>();

  constructor(private readonly room = Infinity) {}

  get length(): number {
    return this.kept.size;
  }

  key(index: number): string | null {
    return [...this.kept.keys()][index] ?? null;
  }

  getItem(key: string): string | null {
    return this.kept.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    let used = key.length + value.length;
    for (const [other, held] of this.kept) if (other !== key) used += other.length + held.length;
    if (used > this.room) throw new DOMException('full', 'QuotaExceededError');
    this.kept.set(key, value);
  }

  removeItem(key: string): void {
    this.kept.delete(key);
  }
}

function conversation(n: number, content = 'x'): Conversation {
  return { id: `c${n}`, title: `title ${n}`, model: 'm', settings: noSettings, turns: [{ role: 'user', content }], updatedAt: n };
}

const ids = (store: Store) => readAll(store).map(({ id }) => id);

describe('what this browser keeps', () => {
  it('is read as it was kept, the newest first', () => {
    const store = new Shelf();
    keep(store, conversation(1));
    keep(store, conversation(3));
    keep(store, conversation(2));
    expect(readAll(store)).toEqual([conversation(3), conversation(2), conversation(1)]);
    keep(store, { ...conversation(1, 'more'), updatedAt: 9 });
    expect(ids(store)).toEqual(['c1', 'c3', 'c2']);
    forget(store, 'c3');
    expect(ids(store)).toEqual(['c1', 'c2']);
  });

  it('is the newest fifty', () => {
    const store = new Shelf();
    for (let n = 0; n < countLimit; n++) expect(keep(store, conversation(n))).toEqual([]);
    expect(keep(store, conversation(99))).toEqual(['c0']);
    expect(keep(store, conversation(99, 'again'))).toEqual([]);
    expect(ids(store)).toHaveLength(countLimit);
  });

  it('is no more than its bytes, of which the oldest go first', () => {
    const store = new Shelf();
    const large = 'x'.repeat(bytesLimit / 2 / 3);
    for (let n = 0; n < 5; n++) keep(store, conversation(n, large));
    expect(ids(store)).toEqual(['c4', 'c3']);
    expect(() => keep(store, conversation(9, 'x'.repeat(bytesLimit)))).toThrow(NotKept);
    expect(ids(store)).toEqual(['c4', 'c3']);
  });

  it('makes room in a storage that is full', () => {
    const store = new Shelf(3000);
    const dropped = [1, 2, 3, 4].flatMap((n) => keep(store, conversation(n, 'x'.repeat(800))));
    expect(dropped).toEqual(['c1', 'c2']);
    expect(ids(store)).toEqual(['c4', 'c3']);
  });

  it('is not thrown away for a storage that others have filled', () => {
    const store = new Shelf();
    for (let n = 0; n < 10; n++) keep(store, conversation(n));
    const full = Object.assign(store, { setItem: () => { throw new DOMException('full', 'QuotaExceededError'); } });
    expect(() => keep(full, conversation(99))).toThrow(NotKept);
    expect(ids(store).length).toBeGreaterThanOrEqual(8);
    const broken = Object.assign(store, { setItem: () => { throw new DOMException('no', 'SecurityError'); } });
    const before = ids(store).length;
    expect(() => keep(broken, conversation(99))).toThrow(NotKept);
    expect(ids(store)).toHaveLength(before);
  });

  it('is read without what is broken or of others', () => {
    const store = new Shelf();
    const good = conversation(1);
    const broken: [string, unknown][] = [
      ['a', '{'],
      ['b', 'null'],
      ['c', '[]'],
      ['d', JSON.stringify({ ...good, id: 1 })],
      ['e', JSON.stringify({ ...good, turns: [{ role: 'user' }] })],
      ['f', JSON.stringify({ ...good, turns: [{ role: 'assistant', content: '', model: 'm', state: 'odd' }] })],
      ['g', JSON.stringify({ ...good, turns: [{ role: 'assistant', content: '', model: 'm', state: 'whole', tokens: 'x' }] })],
      ['h', JSON.stringify({ ...good, updatedAt: 'now' })],
    ];
    for (const [key, value] of broken) store.setItem(prefix + key, String(value));
    store.setItem('corral.theme', 'dark');
    keep(store, good);
    expect(readAll(store)).toEqual([good]);
    store.setItem(`${prefix}c2`, JSON.stringify({ ...conversation(2), settings: { seed: 3, top_k: '4', odd: 'x' } }));
    expect(readAll(store)[0]?.settings).toEqual({ ...noSettings, top_k: '4' });
    forgetAll(store);
    expect([...store.kept.keys()]).toEqual(['corral.theme']);
  });
});
