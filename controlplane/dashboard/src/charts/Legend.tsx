import { useSyncExternalStore } from 'react';

import { gapMs, type Reading, type Series } from '../live/series';
import { unknown } from '../ui/units';
import styles from './Chart.module.css';
import { lineColour, lineDash } from './colours';
import { type Crosshair, usePointedAt } from './crosshair';
import { type Line, nearest } from './lines';
import { localClock, utcClock } from './sentence';
import type { Unit } from './units';

interface Props {
  series: Series;
  lines: readonly Line[];
  unit: Unit;
  crosshair: Crosshair;
}

/** Names the lines, each with its value at the crosshair, or its last one. */
export function Legend({ series, lines, unit, crosshair }: Props) {
  const at = usePointedAt(crosshair);
  useSyncExternalStore(series.subscribe, series.version);
  const reading = at === null ? current(series) : nearest(series.readings, at);
  return (
    <ul className={styles.legend}>
      {lines.map(({ label, pick }, i) => {
        const value = reading === undefined ? undefined : pick(reading);
        return (
          <li key={label} className={styles.line}>
            <Swatch index={i} />
            {label} <span className={`${styles.value} number`}>{value === undefined ? unknown : unit.format(value)}</span>
          </li>
        );
      })}
    </ul>
  );
}

/** The moment that is pointed at, in local time and in UTC. */
export function Moment({ crosshair }: { crosshair: Crosshair }) {
  const at = usePointedAt(crosshair);
  return <span className={`${styles.moment} number`}>{at === null ? 'latest' : `${localClock(at)} (${utcClock(at)})`}</span>;
}

/** The last reading, as long as nothing is missing since. */
function current({ latest, end }: Series): Reading | undefined {
  return latest !== undefined && end !== null && end - latest.at <= gapMs ? latest : undefined;
}

function Swatch({ index }: { index: number }) {
  return (
    <svg className={styles.swatch} viewBox="0 0 22 8" aria-hidden>
      <line x1="0" y1="4" x2="22" y2="4" strokeWidth="2.5" strokeDasharray={lineDash(index).join(' ')} style={{ stroke: lineColour(index) }} />
    </svg>
  );
}
