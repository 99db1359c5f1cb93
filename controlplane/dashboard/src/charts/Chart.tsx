import { type KeyboardEvent, useEffect, useId, useRef, useState } from 'react';

import type { Series } from '../live/series';
import styles from './Chart.module.css';
import { coloursAt, useThemeChanges } from './colours';
import type { Crosshair } from './crosshair';
import { Legend, Moment } from './Legend';
import { type Line, nearest, pointsOf } from './lines';
import { Pace } from '../ui/pace';
import type { Plot } from './plot';
import { sentence } from './sentence';
import { Summary } from './Summary';
import { usePlot } from './usePlot';
import type { Unit } from './units';

interface Props {
  title: string;
  series: Series;
  /** Stable between renders. */
  lines: readonly Line[];
  unit: Unit;
  /** The least upper end of the value axis; stable between renders where it is a function. */
  top: number | (() => number | undefined);
  crosshair: Crosshair;
}

const heightPixels = 160;

/** A little less than the second between two readings, so that none is held back to the next. */
const drawEveryMs = 900;

/**
 * A chart of what a host measured. It draws while it is on the screen, and once
 * a second at most. By the arrow keys it is read value by value.
 */
export function Chart({ title, series, lines, unit, top, crosshair }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const heading = useId();
  const [spoken, setSpoken] = useState('');
  const { Plot: NewPlot, error } = usePlot();
  const theme = useThemeChanges();

  useEffect(() => {
    const element = place.current;
    if (NewPlot === undefined || element === null) return;
    const colours = coloursAt(element, lines.length);
    const labels = lines.map(({ label }) => label);
    const plot = new NewPlot(element, { colours, labels, unit, heightPixels, onPoint: (at) => crosshair.point(at) });
    return whileSeen(element, plot, series, crosshair, () => ({
      points: pointsOf(series.readings, lines),
      top: (typeof top === 'number' ? top : top()) ?? 1,
    }));
    // A change of the theme changes the colours that the chart is made with.
  }, [NewPlot, series, lines, unit, top, crosshair, theme]);

  const press = (event: KeyboardEvent) => {
    const at = stepped(event.key, series, crosshair.at());
    if (at === undefined) return;
    event.preventDefault();
    crosshair.point(at);
    setSpoken(at === null ? '' : sentence(lines, unit, nearest(series.readings, at), at));
  };

  return (
    <figure
      className={styles.chart}
      role="group"
      aria-roledescription="chart"
      aria-labelledby={heading}
      tabIndex={0}
      onKeyDown={press}
      onBlur={() => crosshair.point(null)}
    >
      <figcaption className={styles.caption}>
        <div className={styles.title}>
          <h3 id={heading}>{title}</h3>
          <Moment crosshair={crosshair} />
        </div>
        <Legend series={series} lines={lines} unit={unit} crosshair={crosshair} />
      </figcaption>
      {error === undefined ? (
        <div ref={place} className={styles.plot} aria-hidden />
      ) : (
        <p>The part that draws charts could not be loaded. Reload the page to try again.</p>
      )}
      <p className="visually-hidden" aria-live="polite">
        {spoken}
      </p>
      <Summary title={title} series={series} lines={lines} unit={unit} />
    </figure>
  );
}

/** Keeps a plot current while it can be seen, until the function that it returns is called. */
function whileSeen(element: HTMLElement, plot: Plot, series: Series, crosshair: Crosshair, content: () => { points: ReturnType<typeof pointsOf>; top: number }) {
  let seen = false;
  const draw = () => {
    const to = series.end;
    if (!seen || to === null) return;
    plot.draw({ ...content(), from: to - series.spanMs, to });
    plot.point(crosshair.at());
  };
  const pace = new Pace(drawEveryMs, draw);
  const eyes = new IntersectionObserver((entries) => {
    seen = entries.at(-1)?.isIntersecting ?? false;
    if (seen) draw();
  });
  const size = new ResizeObserver(() => plot.resize());
  eyes.observe(element);
  size.observe(element);
  const leaveSeries = series.subscribe(() => pace.ask());
  const leaveCrosshair = crosshair.subscribe(() => {
    if (seen) plot.point(crosshair.at());
  });
  return () => {
    leaveSeries();
    leaveCrosshair();
    pace.stop();
    eyes.disconnect();
    size.disconnect();
    plot.destroy();
  };
}

/** How far a key moves the crosshair, in readings. */
const strides: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, PageUp: -60, PageDown: 60, Home: -Infinity, End: Infinity };

/** Where a key moves the crosshair: to a moment, to none, or undefined where the key means nothing. */
function stepped(key: string, { readings }: Series, at: number | null): number | null | undefined {
  if (key === 'Escape' && at !== null) return null;
  const stride = strides[key];
  if (stride === undefined || readings.length === 0) return undefined;
  const last = readings.length - 1;
  const here = at === null ? (stride < 0 ? last + 1 : last) : readings.findIndex((reading) => reading.at >= at - 1);
  const next = Math.min(last, Math.max(0, (here === -1 ? last : here) + stride));
  return readings[next]?.at;
}
