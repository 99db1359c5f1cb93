import { useMemo } from 'react';

import { Chart } from '../../charts/Chart';
import type { Crosshair } from '../../charts/crosshair';
import { inBytes, inCelsius, inPercent, inWatts } from '../../charts/units';
import type { Series } from '../../live/series';
import { useLive } from '../../live/store';
import { gpuLines } from './lines';
import styles from './Overview.module.css';

/** What the GPUs of a host did, where it has any: a chart for each measure, a line for each GPU. */
export function GpuCharts({ id, series, crosshair }: { id: string; series: Series; crosshair: Crosshair }) {
  // A text stays the same as long as the GPUs do; a list would be another one each second.
  const which = useLive((live) => live.hosts.get(id)?.gpus.map(({ index, uuid }) => `${index} ${uuid}`).join('\n') ?? '');
  const charts = useMemo(() => {
    const gpus = which.split('\n').filter(Boolean).map((one) => {
      const [index = '', uuid = ''] = one.split(' ');
      return { index: Number(index), uuid };
    });
    const most = (pick: Parameters<typeof gpuLines>[1]) => () => {
      const known = series.latest?.gpus.map(pick).filter((value) => value !== undefined) ?? [];
      return known.length === 0 ? undefined : Math.max(...known);
    };
    return [
      { title: 'GPU utilisation', unit: inPercent, top: 100, lines: gpuLines(gpus, (gpu) => gpu.utilization_percent) },
      { title: 'GPU memory', unit: inBytes, top: most((gpu) => gpu.memory_total_bytes), lines: gpuLines(gpus, (gpu) => gpu.memory_used_bytes) },
      { title: 'GPU temperature', unit: inCelsius, top: most((gpu) => gpu.slowdown_celsius), lines: gpuLines(gpus, (gpu) => gpu.temperature_celsius) },
      { title: 'GPU power', unit: inWatts, top: most((gpu) => gpu.power_limit_watts), lines: gpuLines(gpus, (gpu) => gpu.power_watts) },
    ];
  }, [which, series]);
  if (which === '') return null;
  return (
    <section className={styles.part} aria-labelledby="gpu-charts">
      <h2 id="gpu-charts">GPUs in the last 15 minutes</h2>
      <div className={styles.charts}>
        {charts.map((chart) => (
          <Chart key={chart.title} {...chart} series={series} crosshair={crosshair} />
        ))}
      </div>
    </section>
  );
}
