import type { GPU, Host } from '../../api/types.gen';
import { useHostMetric } from '../../live/store';
import { share, slowedBy } from '../../ui/gpuMeasures';
import { gpuStates, reachable } from '../../ui/hostStates';
import { Meter } from '../../ui/Meter';
import { asSentence } from '../../ui/sentences';
import { Status } from '../../ui/Status';
import { bytes, unknown } from '../../ui/units';
import { GpuMore } from './GpuMore';
import { GpuReading, notReal } from './GpuReading';
import styles from './GpuTiles.module.css';

/** The GPUs of a host with all that is known of them now. */
export function GpuTiles({ host }: { host: Host }) {
  const live = useHostMetric(host.id)?.gpus;
  const gpus = live ?? (reachable(host.state) ? host.sample?.gpus : undefined) ?? [];
  if (gpus.length === 0) return <GpuReading host={host} />;
  return (
    <section className={styles.gpus} aria-labelledby="gpus">
      <h2 id="gpus" className="visually-hidden">
        GPUs
      </h2>
      <GpuReading host={host} />
      <ul className={styles.tiles}>
        {gpus.map((gpu) => (
          <Tile key={gpu.uuid} gpu={gpu} />
        ))}
      </ul>
      {reachable(host.state) && <GpuMore host={host} gpus={gpus} />}
    </section>
  );
}

function Tile({ gpu }: { gpu: GPU }) {
  const { tone, label } = gpuStates[gpu.state];
  return (
    <li className={`${styles.tile} ${gpu.state === 'lost' ? styles.lost : gpu.state === 'degraded' ? styles.degraded : ''}`}>
      <div className={styles.head}>
        <h3>GPU {gpu.index}</h3>
        <Status tone={tone} label={label} />
      </div>
      <p className="quiet" title={gpu.uuid}>
        {gpu.name || unknown}
      </p>
      {notReal(gpu.source ?? '') && <p className={styles.notReal}>Not real ({gpu.source})</p>}
      {gpu.message && <p>{asSentence(gpu.message)}</p>}
      <dl className={styles.values}>
        <dt>Busy</dt>
        <dd>
          <Meter label={`Utilisation of GPU ${gpu.index}`} value={gpu.utilization_percent} warnAt={101} badAt={101} />
        </dd>
        <dt>Memory</dt>
        <dd>
          <Meter label={`Memory of GPU ${gpu.index}`} value={share(gpu, 'memory')} warnAt={97} badAt={101} />
          <span className="number">{pair(gpu.memory_used_bytes, gpu.memory_total_bytes, bytes)}</span>
        </dd>
        <dt>Heat</dt>
        <dd className="number">
          {gpu.temperature_celsius === undefined ? unknown : `${gpu.temperature_celsius.toFixed(0)} °C`}
          {gpu.slowdown_celsius !== undefined && <span className="quiet"> slows down at {gpu.slowdown_celsius.toFixed(0)} °C</span>}
        </dd>
        <dt>Power</dt>
        <dd className="number">{pair(gpu.power_watts, gpu.power_limit_watts, (n) => `${n.toFixed(0)} W`)}</dd>
        {gpu.throttled !== undefined && (
          <>
            <dt>Slowed by</dt>
            <dd>{slowedBy(gpu.throttled)}</dd>
          </>
        )}
      </dl>
    </li>
  );
}

function pair(used: number | undefined, of: number | undefined, format: (n: number) => string): string {
  const shown = (value: number | undefined) => (value === undefined ? unknown : format(value));
  return `${shown(used)} of ${shown(of)}`;
}
