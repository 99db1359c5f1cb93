import type { GPU, GPUEvent, GPUReading as State, Host } from '../../api/types.gen';
import { reachable } from '../../ui/hostStates';
import { asSentence } from '../../ui/sentences';
import { Time } from '../../ui/Time';
import styles from './GpuTiles.module.css';

/** What there is to say of GPUs that are not read, where it is nothing bad. What is bad is a problem of the host's. */
const sayings: Partial<Record<State, string>> = {
  off: 'The agent was told not to look for GPUs.',
  starting: 'The GPUs are about to be read.',
};

/** Says how a host's GPUs are read where that is worth a word, and what happened to them. */
export function GpuReading({ host }: { host: Host }) {
  const report = host.gpu_report;
  if (report === undefined || !reachable(host.state)) return null;
  const source = report.source ?? '';
  const said = sayings[report.state];
  return (
    <>
      {notReal(source) && (
        <p className={styles.notReal} role="note">
          These GPUs are not real: the agent was started with --gpu {source}.
        </p>
      )}
      {report.state === 'released' && (
        <p className={styles.notReal} role="note">
          The agent has let go of the GPU driver
          {report.released_until === undefined ? '' : ' until '}
          {report.released_until !== undefined && <Time at={report.released_until} />}, as an operator asked it to.
        </p>
      )}
      {said !== undefined && <p className="quiet">{said}</p>}
      {report.driver_version !== undefined && (
        <p className="quiet">
          Driver {report.driver_version}
          {report.cuda_version !== undefined && `, CUDA ${report.cuda_version}`}
        </p>
      )}
      {report.conditions?.map(({ code, message }) => (
        <p key={code} className="quiet">
          {asSentence(message)}
        </p>
      ))}
      {report.events !== undefined && report.events.length > 0 && <Events events={report.events} gpus={host.sample?.gpus ?? []} />}
    </>
  );
}

/** Whether a source makes up what it tells. */
export function notReal(source: string): boolean {
  return source === 'demo' || source.startsWith('recorded:');
}

function Events({ events, gpus }: { events: readonly GPUEvent[]; gpus: readonly GPU[] }) {
  return (
    <details>
      <summary>
        {events.length === 1 ? 'One fault that the driver reported' : `The last ${events.length} faults that the driver reported`}
      </summary>
      <ul className={styles.events} aria-label="Faults of GPUs">
        {[...events].reverse().map((event, i) => (
          <li key={i}>
            <Time at={event.at} /> {placeOf(event, gpus)}: {asSentence(event.message)} {event.advice}
            {event.process !== undefined && <span className="quiet"> It hit {event.process}.</span>}
          </li>
        ))}
      </ul>
    </details>
  );
}

function placeOf({ uuid, pci_address: address }: GPUEvent, gpus: readonly GPU[]): string {
  const gpu = gpus.find((one) => one.uuid === uuid);
  return gpu === undefined ? (uuid ?? address ?? 'A GPU') : `GPU ${gpu.index}`;
}
