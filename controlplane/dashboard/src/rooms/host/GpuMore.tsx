import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { messageOf } from '../../api/client';
import { gpuProcessesQuery, gpusQuery } from '../../api/queries';
import { may, sessionQuery } from '../../api/session';
import type { GPU, GPUCard, Host } from '../../api/types.gen';
import { bytes, unknown } from '../../ui/units';
import styles from './GpuTiles.module.css';

/** What is seldom of interest of a host's GPUs, and who uses them. It is asked for when it is opened. */
export function GpuMore({ host, gpus }: { host: Host; gpus: readonly GPU[] }) {
  const [open, setOpen] = useState(false);
  const session = useQuery(sessionQuery);
  const operator = session.data !== undefined && may(session.data.role, 'operator');
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>More of these GPUs</summary>
      {open && (
        <div className={styles.gpus}>
          {operator ? <Processes id={host.id} gpus={gpus} /> : <p className="quiet">Operators see who uses them.</p>}
          <Cards id={host.id} gpus={gpus} />
        </div>
      )}
    </details>
  );
}

function Cards({ id, gpus }: { id: string; gpus: readonly GPU[] }) {
  const { data, error } = useQuery(gpusQuery(id));
  if (data === undefined) return <p className="quiet">{error === null ? 'Loading…' : messageOf(error)}</p>;
  return (
    <div className={styles.tiles}>
      {data.cards.map((card) => (
        <section key={card.uuid} className={styles.tile} aria-label={placeOf(card.uuid, gpus)}>
          <h3>{placeOf(card.uuid, gpus)}</h3>
          <p className="quiet">{card.uuid}</p>
          <dl className={styles.figures}>
            {rowsOf(card).map(([name, value]) => (
              <div key={name} className={styles.row}>
                <dt>{name}</dt>
                <dd className="number">{value}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </div>
  );
}

function rowsOf(card: GPUCard): [string, string][] {
  const words: [string, string | undefined][] = [
    ['PCI address', card.pci_address],
    ['Serial number', card.serial],
    ['VBIOS', card.vbios],
    ['Architecture', card.architecture],
    ['Compute capability', card.compute_capability],
    ['Memory that no process accounts for', card.unaccounted_bytes === undefined ? undefined : bytes(card.unaccounted_bytes)],
    ...(card.mig_parts ?? []).map((part): [string, string] => [`Part ${part.uuid}`, part.name ?? unknown]),
    ...Object.entries(card.figures)
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([name, value]): [string, string] => [name, value.toLocaleString()]),
  ];
  return words.filter((row): row is [string, string] => row[1] !== undefined);
}

function Processes({ id, gpus }: { id: string; gpus: readonly GPU[] }) {
  const { data, error } = useQuery(gpuProcessesQuery(id));
  if (data === undefined) return <p className="quiet">{error === null ? 'Loading…' : messageOf(error)}</p>;
  if (data.length === 0) return <p>No process is known to use them.</p>;
  return (
    <ul className={styles.events} aria-label="Processes on the GPUs">
      {data.map((process, i) => (
        <li key={i}>
          {placeOf(process.gpu, gpus)}: {process.name ?? 'a process'} ({[process.user, process.pid].filter(Boolean).join(', ')})
          {process.memory_bytes !== undefined && `, ${bytes(process.memory_bytes)}`}
          {process.instance !== undefined && `, for Ollama “${process.instance}”`}
        </li>
      ))}
    </ul>
  );
}

function placeOf(uuid: string, gpus: readonly GPU[]): string {
  const gpu = gpus.find((one) => one.uuid === uuid);
  return gpu === undefined ? uuid : `GPU ${gpu.index}`;
}
