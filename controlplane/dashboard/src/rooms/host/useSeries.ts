import { useEffect, useRef, useState } from 'react';

import { history } from '../../api/queries';
import { Series } from '../../live/series';
import { type Live, useLive } from '../../live/store';
import { Filler } from './filler';
import { readingsOf } from './samples';

/** How much of the past is shown, in milliseconds. */
const spanMs = 15 * 60_000;

/**
 * The last minutes of a host, from the history and then from the live
 * connection. For another host it has to be used by a component of its own.
 */
export function useSeries(host: string) {
  const [series] = useState(() => new Series(spanMs));
  const [problem, setProblem] = useState<unknown>();
  const filler = useRef<Filler>(undefined);

  useEffect(() => {
    const current = new Filler(series, async (from, to, signal) => readingsOf(await history(host, from, to, signal)), setProblem);
    filler.current = current;
    const take = ({ at, hosts }: Live) => {
      const now = at === null ? Date.now() : Date.parse(at);
      const metric = hosts.get(host);
      series.advance(now, metric && { ...metric, at: Date.parse(metric.taken_at) });
      current.check(now);
    };
    take(useLive.getState());
    const leave = useLive.subscribe((live, before) => {
      if (live.at !== before.at) take(live);
    });
    return () => {
      leave();
      current.stop();
    };
  }, [host, series]);

  return { series, problem, retry: () => filler.current?.again(series.end ?? Date.now()) };
}
