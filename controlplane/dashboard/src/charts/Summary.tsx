import { useSyncExternalStore } from 'react';

import type { Series } from '../live/series';
import { duration, unknown } from '../ui/units';
import { digestOf, gapsIn, type Line, pointsOf } from './lines';
import type { Unit } from './units';

/** How often the summary is made anew, in milliseconds. */
const everyMs = 15_000;

interface Props {
  title: string;
  series: Series;
  lines: readonly Line[];
  unit: Unit;
}

/** A text that changes now and then: as time goes on, and when more of the past is known. */
function turn({ end, readings }: Series): string {
  return [end, readings[0]?.at].map((at) => Math.floor((at ?? 0) / everyMs)).join(' ');
}

/** What a chart shows, as a table for who does not see it. */
export function Summary({ title, series, lines, unit }: Props) {
  useSyncExternalStore(series.subscribe, () => turn(series));
  const { values } = pointsOf(series.readings, lines);
  const gaps = gapsIn(series.readings);
  const shown = (value: number | null) => (value === null ? unknown : unit.format(value));
  return (
    <div className="visually-hidden">
      <table>
        <caption>
          {title}, the last {duration(series.spanMs / 1000)}
          {gaps > 0 && `, with ${gaps} ${gaps === 1 ? 'gap' : 'gaps'}`}. The arrow keys read single values.
        </caption>
        <thead>
          <tr>
            <th scope="col">Line</th>
            <th scope="col">Latest</th>
            <th scope="col">Lowest</th>
            <th scope="col">Mean</th>
            <th scope="col">Highest</th>
          </tr>
        </thead>
        <tbody>
          {lines.map(({ label }, i) => {
            const { latest, lowest, mean, highest } = digestOf(values[i] ?? []);
            return (
              <tr key={label}>
                <th scope="row">{label}</th>
                <td>{shown(latest)}</td>
                <td>{shown(lowest)}</td>
                <td>{shown(mean)}</td>
                <td>{shown(highest)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
