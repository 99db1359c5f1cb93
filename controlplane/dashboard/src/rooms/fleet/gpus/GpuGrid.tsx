import { useNavigate, useSearch } from '@tanstack/react-router';
import { type KeyboardEvent, useState } from 'react';

import { defined, oneOf } from '../../../app/search';
import { useLive } from '../../../live/store';
import { useInSteps } from '../../../ui/useInSteps';
import type { FleetHost } from '../fleetHosts';
import { fleetColours } from '../search';
import styles from './GpuGrid.module.css';
import { HostGpus } from './HostGpus';

const measures: Record<(typeof fleetColours)[number], string> = {
  utilization: 'Utilisation',
  memory: 'Memory',
  temperature: 'Temperature',
  power: 'Power',
};

/** How full a tile is means this. */
const meanings: Record<(typeof fleetColours)[number], string> = {
  utilization: 'A full tile is a GPU that is busy all the time.',
  memory: 'A full tile is a GPU whose memory is all taken.',
  temperature: 'A full tile is a GPU so hot that it slows itself down.',
  power: 'A full tile is a GPU at the limit of its power.',
};

/** Every GPU of the hosts as a tile. */
export function GpuGrid({ hosts }: { hosts: readonly FleetHost[] }) {
  const { colour = 'utilization' } = useSearch({ from: '/inside/fleet' });
  const navigate = useNavigate({ from: '/fleet' });
  const [visited, setVisited] = useState('');
  // A text stays the same as long as the hosts with GPUs do.
  const live = useLive((state) => [...state.hosts.values()].filter(({ gpus }) => gpus.length > 0).map(({ id }) => id).join(' '));
  const reporting = new Set(live.split(' '));
  const shown = hosts.filter(({ id, gpus }) => gpus > 0 || reporting.has(id));
  const rendered = useInSteps(shown.length);
  if (shown.length === 0) return null;
  // The grid is one stop of the tab key, however many hosts it has: the one where somebody was last.
  const stop = shown.find(({ id }) => id === visited) ?? shown[0];
  return (
    <section className={styles.gpus} aria-labelledby="fleet-gpus">
      <div className={styles.head}>
        <h2 id="fleet-gpus">GPUs</h2>
        <label>
          Show{' '}
          <select
            value={colour}
            onChange={(event) => {
              const chosen = oneOf(fleetColours, event.target.value);
              void navigate({ search: (search) => defined({ ...search, colour: chosen }), replace: true });
            }}
          >
            {fleetColours.map((one) => (
              <option key={one} value={one}>
                {measures[one]}
              </option>
            ))}
          </select>
        </label>
        <span className={styles.key}>{meanings[colour]} × is lost, ! is degraded, ? is not known.</span>
      </div>
      <ul className={styles.grid} onKeyDown={walk} onFocus={(event) => setVisited(event.target.dataset['host'] ?? '')}>
        {shown.slice(0, rendered).map((host) => (
          <HostGpus key={host.id} id={host.id} name={host.name} count={host.gpus} measure={colour} stop={host === stop} />
        ))}
      </ul>
    </section>
  );
}

const steps: Record<string, number> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };

/** Goes from host to host with the arrow keys. */
function walk(event: KeyboardEvent<HTMLElement>): void {
  const step = steps[event.key];
  if (step === undefined) return;
  const links = [...event.currentTarget.querySelectorAll('a')];
  const here = links.findIndex((link) => link === document.activeElement);
  const next = links[Math.min(links.length - 1, Math.max(0, here + step))];
  if (here === -1 || next === undefined) return;
  event.preventDefault();
  next.focus();
}
