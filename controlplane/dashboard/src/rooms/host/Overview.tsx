import { useState } from 'react';

import { messageOf } from '../../api/client';
import type { Host } from '../../api/types.gen';
import { Chart } from '../../charts/Chart';
import { Crosshair } from '../../charts/crosshair';
import { inBytes, inBytesPerSecond, inNumber, inPercent } from '../../charts/units';
import { Button } from '../../ui/Button';
import { reachable } from '../../ui/hostStates';
import { Stale } from '../../ui/Stale';
import { GpuCharts } from './GpuCharts';
import { GpuTiles } from './GpuTiles';
import { cpuLines, diskLines, memoryLines, networkLines, requestLines } from './lines';
import styles from './Overview.module.css';
import { useSeries } from './useSeries';

/** What a host did in the last minutes, and does now. */
export function Overview({ host }: { host: Host }) {
  const { series, problem, retry } = useSeries(host.id);
  const [crosshair] = useState(() => new Crosshair());
  const [memoryTop] = useState(() => () => series.latest?.memory_total_bytes);
  const all = { series, crosshair };
  return (
    <Stale>
      <div className={styles.overview}>
        <GpuTiles host={host} />
        <section className={styles.part} aria-labelledby="host-charts">
          <h2 id="host-charts">The last 15 minutes</h2>
          {!reachable(host.state) && <p className="quiet">The host reports nothing now; what is shown was measured before.</p>}
          {problem !== undefined && (
            <p className={styles.problem} role="status">
              What was measured before could not be loaded: {messageOf(problem)} <Button onClick={retry}>Try again</Button>
            </p>
          )}
          <div className={styles.charts}>
            <Chart title="CPU" lines={cpuLines} unit={inPercent} top={100} {...all} />
            <Chart title="Memory" lines={memoryLines} unit={inBytes} top={memoryTop} {...all} />
            <Chart title="Network" lines={networkLines} unit={inBytesPerSecond} top={1024} {...all} />
            <Chart title="Disk" lines={diskLines} unit={inBytesPerSecond} top={1024} {...all} />
            <Chart title="Requests" lines={requestLines} unit={inNumber} top={4} {...all} />
          </div>
        </section>
        <GpuCharts id={host.id} {...all} />
      </div>
    </Stale>
  );
}
