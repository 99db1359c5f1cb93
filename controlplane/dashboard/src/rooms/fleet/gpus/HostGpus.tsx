import { memo, type SyntheticEvent } from 'react';

import { useLive } from '../../../live/store';
import { describeGpu, type GpuMeasure } from '../../../ui/gpuMeasures';
import { HostLink } from '../../../ui/HostLink';
import { decode, encode, type Look } from './code';
import styles from './GpuGrid.module.css';

interface Props {
  id: string;
  name: string;
  /** How many GPUs the host had when it last told. */
  count: number;
  measure: GpuMeasure;
  /** Whether the tab key stops here. */
  stop: boolean;
}

const marks: Record<Look['state'], string> = { ok: '', degraded: '!', lost: '×', unknown: '?' };

/** The GPUs of one host, and the way to it. */
export const HostGpus = memo(function HostGpus({ id, name, count, measure, stop }: Props) {
  const code = useLive(({ hosts }) => encode(hosts.get(id)?.gpus ?? [], measure));
  const looks = code === '' ? Array.from({ length: count }, (): Look => ({ state: 'unknown', level: undefined, tone: 'calm' })) : decode(code);
  return (
    <li className={styles.host}>
      <HostLink
        host={name}
        tabIndex={stop ? 0 : -1}
        data-host={id}
        className={styles.link}
        aria-label={summary(name, looks)}
        onFocus={(event) => describe(event, id)}
        onPointerOver={(event) => describe(event, id)}
      >
        <span className={styles.name}>{name}</span>
        <span className={styles.tiles}>
          {looks.map(({ state, level, tone }, i) => (
            <span key={i} data-gpu={i} className={`${styles.tile} ${styles[state]} ${styles[tone]} ${level === undefined ? styles.blank : styles[`level${level}`]}`}>
              {marks[state] || (level === undefined ? '–' : '')}
            </span>
          ))}
        </span>
      </HostLink>
    </li>
  );
});

/** Says which host it is, and what is wrong with its GPUs. */
function summary(name: string, looks: readonly Look[]): string {
  const parts = [`${looks.length} ${looks.length === 1 ? 'GPU' : 'GPUs'}`];
  for (const state of ['lost', 'degraded', 'unknown'] as const) {
    const count = looks.filter((look) => look.state === state).length;
    if (count > 0) parts.push(`${count} ${state}`);
  }
  return `${name}: ${parts.join(', ')}`;
}

/** Writes the values where they are looked at, and only there: to keep them current on every tile would be dear. */
function describe({ target, currentTarget }: SyntheticEvent<HTMLElement>, id: string): void {
  const gpus = useLive.getState().hosts.get(id)?.gpus ?? [];
  const gpu = target instanceof HTMLElement ? gpus[Number(target.dataset['gpu'])] : undefined;
  if (gpu !== undefined && target instanceof HTMLElement) target.title = describeGpu(gpu);
  else currentTarget.setAttribute('aria-description', gpus.map(describeGpu).join('\n'));
}
