import { describe, expect, it, vi } from 'vitest';

import { type Reading, Series } from '../../live/series';
import { Filler, type ReadHistory } from './filler';

const reading = (at: number): Reading => ({ at, in_flight: 0, gpus: [] });

/** Lets what was asked for come. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

function setUp(read: ReadHistory) {
  const series = new Series(60_000);
  const problem = vi.fn();
  const history = vi.fn(read);
  return { series, problem, history, filler: new Filler(series, history, problem) };
}

const everySecond: ReadHistory = (from, to) => {
  const found: Reading[] = [];
  for (let at = Math.ceil(from.getTime() / 1000) * 1000; at <= to.getTime(); at += 1000) found.push(reading(at));
  return Promise.resolve(found);
};

describe('Filler', () => {
  it('fills the time before the first reading, and holes later on', async () => {
    const { series, filler, history } = setUp(everySecond);
    series.advance(100_000, reading(100_000));
    filler.check(100_000);
    await settled();
    expect(series.holes()).toEqual([]);
    expect(series.readings).toHaveLength(61);

    series.advance(130_000, reading(130_000));
    filler.check(130_000);
    await settled();
    expect(series.holes()).toEqual([]);
    expect(history).toHaveBeenCalledTimes(2);
    expect(history.mock.calls[1]?.[0]).toEqual(new Date(100_000));
  });

  it('looks for what an agent may send later, and then leaves the gap', async () => {
    const { series, filler, history } = setUp(() => Promise.resolve([]));
    series.advance(100_000, reading(100_000));
    const tried: number[] = [];
    for (let now = 100_000; now < 160_000; now += 1000) {
      const before = history.mock.calls.length;
      filler.check(now);
      await settled();
      if (history.mock.calls.length > before) tried.push((now - 100_000) / 1000);
    }
    expect(tried).toEqual([0, 4, 20]);
    expect(series.holes()).toHaveLength(1);
  });

  it('asks for the history of a host that reports nothing', async () => {
    const { series, filler, problem } = setUp(everySecond);
    series.advance(100_000);
    filler.check(100_000);
    await settled();
    expect(series.latest?.at).toBe(100_000);
    expect(problem).toHaveBeenLastCalledWith(undefined);
  });

  it('says that the history could not be read, and reads it when told to', async () => {
    const lost = new Error('gone');
    let down = true;
    const { series, filler, problem } = setUp((...asked) => (down ? Promise.reject(lost) : everySecond(...asked)));
    series.advance(100_000, reading(100_000));
    filler.check(100_000);
    await settled();
    expect(problem).toHaveBeenLastCalledWith(lost);
    down = false;
    filler.again(101_000);
    await settled();
    expect(problem).toHaveBeenLastCalledWith(undefined);
    expect(series.holes()).toEqual([]);
  });

  it('takes nothing any more once it is stopped', async () => {
    const { series, filler, problem } = setUp(everySecond);
    series.advance(100_000, reading(100_000));
    filler.check(100_000);
    filler.stop();
    await settled();
    expect(series.readings).toHaveLength(1);
    expect(problem).not.toHaveBeenCalled();
  });
});
