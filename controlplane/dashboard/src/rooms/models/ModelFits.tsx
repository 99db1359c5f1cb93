import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useDeferredValue, useState } from 'react';

import { messageOf } from '../../api/client';
import { fitQuery, type Running } from '../../api/models';
import type { Fit, ModelInfo } from '../../api/types.gen';
import { Button } from '../../ui/Button';
import form from '../../ui/form.module.css';
import { asSentence } from '../../ui/sentences';
import { Status } from '../../ui/Status';
import { Table } from '../../ui/Table';
import { bytes, unknown } from '../../ui/units';
import { asHostsHaveIt, ranked, summed, verdicts } from './fits';
import styles from './ModelRoom.module.css';

/** How many hosts are shown unless somebody asks for all. */
const shownFirst = 10;

const counts = new Intl.NumberFormat('en');

/** Where a model would fit, before it is brought there. */
export function ModelFits({ model }: { model: ModelInfo }) {
  const [running, setRunning] = useState<Running>(asHostsHaveIt);
  const [all, setAll] = useState(false);
  const asked = useDeferredValue(running);
  const fits = useQuery({ ...fitQuery(model.id, asked), placeholderData: keepPreviousData });
  const list = ranked(fits.data ?? []);
  const shown = all ? list : list.slice(0, shownFirst);
  return (
    <section aria-labelledby="model-fits" className={styles.part}>
      <h2 id="model-fits">Where it fits</h2>
      <div className={styles.running}>
        <label>
          Context, tokens
          <input type="number" min={1} placeholder="as hosts have it" value={running.context} onChange={(event) => setRunning({ ...running, context: event.target.value })} />
        </label>
        <label>
          Requests at a time
          <input type="number" min={1} placeholder="as hosts have it" value={running.parallel} onChange={(event) => setRunning({ ...running, parallel: event.target.value })} />
        </label>
        <label>
          Keys and values
          <select value={running.cache} onChange={(event) => setRunning({ ...running, cache: event.target.value })}>
            <option value="">as hosts have it</option>
            <option>f16</option>
            <option>q8_0</option>
            <option>q4_0</option>
          </select>
        </label>
      </div>
      {fits.isError ? (
        <p className="quiet">{messageOf(fits.error)}</p>
      ) : fits.data === undefined ? (
        <p className="quiet" role="status">
          Working it out…
        </p>
      ) : list.length === 0 ? (
        <p className="quiet">There is no host.</p>
      ) : (
        <>
          <p className="quiet">{summed(list)}</p>
          <Table caption="Where it fits" columns={['Host', 'Verdict', 'Needs', 'On GPUs', 'In main memory', 'Free on GPUs', 'Context', 'Longest that fits']} actions={false}>
            {shown.map((fit) => (
              <FitRow key={fit.host_id} fit={fit} />
            ))}
          </Table>
          {shown.length < list.length && (
            <p>
              <Button onClick={() => setAll(true)}>Show all {list.length} hosts</Button>
            </p>
          )}
        </>
      )}
    </section>
  );
}

function FitRow({ fit }: { fit: Fit }) {
  const known = fit.verdict !== 'unknown';
  return (
    <tr>
      <td>
        <Link to="/hosts/$host" params={{ host: fit.host_id }} className={styles.link}>
          {fit.host}
        </Link>
      </td>
      <td>
        <Status {...verdicts[fit.verdict]} />
        <p className={form.message}>{asSentence(fit.reason)}</p>
      </td>
      <td className="number" title={partsOf(fit)}>
        {bytes(fit.total)}
        <br />
        <span className={form.message}>{fit.source}</span>
      </td>
      <td className="number">{known ? bytes(fit.on_gpus) : unknown}</td>
      <td className="number">{known ? bytes(fit.in_main_memory) : unknown}</td>
      <td className="number">{known ? bytes(fit.free) : unknown}</td>
      <td className="number">
        {counts.format(fit.context)}
        {fit.parallel > 1 && ` × ${fit.parallel}`}
      </td>
      <td className="number">{fit.longest_context > 0 ? counts.format(fit.longest_context) : unknown}</td>
    </tr>
  );
}

/** What a total is made of. */
function partsOf({ weights, cache, compute, projector = 0, overhead = 0, correction = 0 }: Fit): string {
  const parts: [string, number][] = [
    ['weights', weights],
    ['cache', cache],
    ['compute', compute],
    ['projector', projector],
    ['runtime', overhead],
    ['by measurement', correction],
  ];
  return parts
    .filter(([, n]) => n !== 0)
    .map(([name, n]) => `${name} ${bytes(n)}`)
    .join(', ');
}
