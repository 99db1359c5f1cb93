import { act, cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Series } from '../live/series';
import { Chart } from './Chart';
import { Crosshair } from './crosshair';
import type { Line } from './lines';
import { inPercent } from './units';

const plots = vi.hoisted(() => [] as { draw: ReturnType<typeof vi.fn>; point: ReturnType<typeof vi.fn>; destroy: ReturnType<typeof vi.fn> }[]);

// There is no canvas here: what is drawn is noted.
vi.mock('./plot', () => ({
  Plot: class {
    draw = vi.fn();
    point = vi.fn();
    destroy = vi.fn();
    resize = vi.fn();
    constructor() {
      plots.push(this);
    }
  },
}));

let look: (seen: boolean) => void = () => undefined;

beforeEach(() => {
  plots.length = 0;
  vi.stubGlobal(
    'IntersectionObserver',
    class {
      constructor(told: (entries: { isIntersecting: boolean }[]) => void) {
        look = (isIntersecting) => told([{ isIntersecting }]);
      }
      observe() {
        look(false);
      }
      disconnect() {
        look = () => undefined;
      }
    },
  );
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const lines: Line[] = [{ label: 'CPU', pick: (reading) => reading.cpu_percent }];
const start = Date.UTC(2026, 0, 1, 12, 0, 0);

async function setUp() {
  const series = new Series(60_000);
  const crosshair = new Crosshair();
  const measure = (second: number, cpu_percent: number) => series.advance(start + second * 1000, { at: start + second * 1000, cpu_percent, in_flight: 0, gpus: [] });
  measure(0, 10);
  measure(1, 20);
  measure(2, 0);
  const { unmount } = render(<Chart title="CPU" series={series} lines={lines} unit={inPercent} top={100} crosshair={crosshair} />);
  const plot = await waitFor(() => {
    const [made] = plots;
    if (made === undefined) throw new Error('nothing draws yet');
    return made;
  });
  return { series, crosshair, measure, plot, unmount, chart: screen.getByRole('group', { name: 'CPU' }) };
}

describe('Chart', () => {
  it('draws only while it is seen', async () => {
    const { measure, plot, unmount } = await setUp();
    expect(plot.draw).not.toHaveBeenCalled();
    look(true);
    expect(plot.draw).toHaveBeenCalledTimes(1);
    expect(plot.draw.mock.calls[0]?.[0]).toEqual({
      points: { times: [0, 1, 2].map((second) => start / 1000 + second), values: [[10, 20, 0]] },
      from: start + 2000 - 60_000,
      to: start + 2000,
      top: 100,
    });
    look(false);
    act(() => measure(3, 40));
    expect(plot.draw).toHaveBeenCalledTimes(1);
    look(true);
    expect(plot.draw).toHaveBeenCalledTimes(2);
    unmount();
    expect(plot.destroy).toHaveBeenCalledTimes(1);
  });

  it('says its values one by one', async () => {
    const { chart, crosshair } = await setUp();
    fireEvent.keyDown(chart, { key: 'ArrowLeft' });
    expect(screen.getByText(/: CPU 0 %$/)).toBeTruthy(); // a nought that was measured
    fireEvent.keyDown(chart, { key: 'ArrowLeft' });
    expect(screen.getByText(/: CPU 20 %$/)).toBeTruthy();
    fireEvent.keyDown(chart, { key: 'Home' });
    expect(crosshair.at()).toBe(start);
    fireEvent.keyDown(chart, { key: 'ArrowLeft' });
    expect(crosshair.at()).toBe(start);
    fireEvent.keyDown(chart, { key: 'End' });
    expect(crosshair.at()).toBe(start + 2000);
    fireEvent.keyDown(chart, { key: 'Escape' });
    expect(crosshair.at()).toBeNull();
  });

  it('shows what another chart points at', async () => {
    const { crosshair, plot } = await setUp();
    look(true);
    act(() => crosshair.point(start + 1000));
    expect(screen.getByText('20 %', { selector: 'li *' })).toBeTruthy();
    expect(screen.getByText(/\(12:00:01 UTC\)/)).toBeTruthy();
    expect(plot.point).toHaveBeenLastCalledWith(start + 1000);
  });

  it('forgets the last value when nothing came since', async () => {
    const { series } = await setUp();
    expect(screen.getByText('0 %', { selector: 'li *' })).toBeTruthy();
    act(() => series.advance(start + 30_000));
    expect(screen.getByText('–', { selector: 'li *' })).toBeTruthy();
  });

  it('is summed up in a table', async () => {
    await setUp();
    expect(screen.getByRole('row', { name: 'CPU 0 % 0 % 10 % 20 %' })).toBeTruthy();
  });
});
