import 'uplot/dist/uPlot.min.css';

import uPlot from 'uplot';

import { type Colours, lineDash } from './colours';
import type { Points } from './lines';
import type { Unit } from './units';

interface Options {
  colours: Colours;
  labels: readonly string[];
  unit: Unit;
  heightPixels: number;
  /** Called with the moment under the pointer, in milliseconds since the epoch, and with null when it leaves. */
  onPoint: (at: number | null) => void;
}

/** What is to be seen: the points, and from when to when, in milliseconds since the epoch. */
export interface View {
  points: Points;
  from: number;
  to: number;
  /** The least upper end of the value axis. */
  top: number;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const clockWithSeconds = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });

/** A chart on a canvas, inside an element that it has for itself. */
export class Plot {
  private readonly chart: uPlot;
  private view: View = { points: { times: [], values: [] }, from: 0, to: 1, top: 1 };

  constructor(
    private readonly place: HTMLElement,
    { colours, labels, unit, heightPixels, onPoint }: Options,
  ) {
    const { text, grid, lines } = colours;
    const look: uPlot.Axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1, size: 4 }, font: '12px system-ui, sans-serif', gap: 4 };
    this.chart = new uPlot(
      {
        width: Math.max(place.clientWidth, 1),
        height: heightPixels,
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, bind: nobody, points: { size: 7 } },
        scales: {
          x: { range: () => [this.view.from / 1000, this.view.to / 1000] },
          y: { range: (_, __, highest) => [0, Math.max(this.view.top, (Number.isFinite(highest) ? highest : 0) * 1.05)] },
        },
        axes: [
          { ...look, size: 26, space: 70, values: (_, splits, __, ___, increment) => splits.map((at) => (increment < 60 ? clockWithSeconds : clock).format(at * 1000)) },
          { ...look, size: 74, space: 28, ...(unit.steps && { incrs: unit.steps }), values: (_, splits) => splits.map(unit.format) },
        ],
        series: [
          {},
          ...labels.map((label, i) => ({
            label,
            stroke: lines[i] ?? text,
            width: 1.5,
            dash: lineDash(i),
            points: { show: false, filter: lonely, size: 4, fill: lines[i] ?? text },
          })),
        ],
      },
      [[], ...labels.map(() => [])],
      place,
    );
    const { over } = this.chart;
    over.addEventListener('pointermove', ({ offsetX }) => onPoint(this.chart.posToVal(offsetX, 'x') * 1000));
    over.addEventListener('pointerleave', () => onPoint(null));
  }

  draw(view: View): void {
    this.view = view;
    this.chart.setData([view.points.times, ...view.points.values]);
  }

  /** Shows the crosshair at a moment, or none. */
  point(at: number | null): void {
    const left = at === null ? -10 : this.chart.valToPos(at / 1000, 'x');
    this.chart.setCursor({ left, top: at === null ? -10 : 1 }, false);
  }

  /** Fits the chart into its place again. */
  resize(): void {
    const width = Math.max(this.place.clientWidth, 1);
    if (width !== this.chart.width) this.chart.setSize({ width, height: this.chart.height });
  }

  destroy(): void {
    this.chart.destroy();
  }
}

// All charts are pointed at together and from outside, so none listens by itself.
const deaf = () => null;
const nobody = { mousedown: deaf, mouseup: deaf, click: deaf, dblclick: deaf, mousemove: deaf, mouseleave: deaf, mouseenter: deaf };

/** Finds the values that have none beside them: a line alone would not show them. */
function lonely(chart: uPlot, series: number): number[] {
  const column = chart.data[series] ?? [];
  const found: number[] = [];
  column.forEach((value, i) => {
    if (value != null && column[i - 1] == null && column[i + 1] == null) found.push(i);
  });
  return found;
}
