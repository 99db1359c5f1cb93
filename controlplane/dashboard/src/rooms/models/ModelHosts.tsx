import { Link } from '@tanstack/react-router';
import { useState } from 'react';

import { may, type Role } from '../../api/session';
import type { Host, ModelInfo, Operation } from '../../api/types.gen';
import { Button } from '../../ui/Button';
import form from '../../ui/form.module.css';
import { Status } from '../../ui/Status';
import { Table } from '../../ui/Table';
import { bytes, unknown } from '../../ui/units';
import { Until } from '../../ui/Until';
import { DeleteDialog } from './DeleteDialog';
import styles from './ModelRoom.module.css';
import { isStored, type Place, placesOf } from './places';
import { shortDigest } from './versions';

interface Props {
  model: ModelInfo;
  hosts: readonly Host[];
  operations: readonly Operation[]; // on this model
  role: Role | undefined;
}

/** The hosts that have a model, and those that are to have it. */
export function ModelHosts({ model, hosts, operations, role }: Props) {
  const [from, setFrom] = useState<string>();
  const places = placesOf(model, hosts, operations);
  const drifted = places.filter(({ drift }) => drift).length;
  const operates = role !== undefined && may(role, 'operator');
  return (
    <section aria-labelledby="model-hosts" className={styles.part}>
      <h2 id="model-hosts">Hosts</h2>
      {drifted > 0 && (
        <p>
          <Status tone="warn" label={`${drifted} of ${places.length} ${drifted === 1 ? 'is not as it should be' : 'are not as they should be'}`} />
        </p>
      )}
      {places.length === 0 ? (
        <p className="quiet">No host has it, and none is to have it.</p>
      ) : (
        <Table caption="Hosts" columns={['Host', 'State', 'Is to have it', 'Version', 'GPU memory', 'Unloads']} actions={operates}>
          {places.map((place) => (
            <PlaceRow key={place.key} place={place} stored={isStored(model)} onRemove={operates ? () => setFrom(place.hostId) : undefined} />
          ))}
        </Table>
      )}
      {from !== undefined && <DeleteDialog model={model} from={from} onClose={() => setFrom(undefined)} />}
    </section>
  );
}

function PlaceRow({ place, stored, onRemove }: { place: Place; stored: boolean; onRemove: (() => void) | undefined }) {
  const { hostId, host, residency, wanted, tone, label, sentence } = place;
  const loaded = residency?.status === 'loaded' ? residency : undefined;
  return (
    <tr>
      <td>
        <Link to="/hosts/$host" params={{ host: hostId }} className={styles.link}>
          {host}
        </Link>
        {residency !== undefined && residency.instance !== 'default' && <span className="quiet"> {residency.instance}</span>}
      </td>
      <td>
        <Status tone={tone} label={label} />
        {sentence !== '' && <p className={tone === 'bad' ? form.problem : form.message}>{sentence}</p>}
      </td>
      <td>{wanted ? 'Yes' : stored ? 'No' : unknown}</td>
      <td>{residency === undefined ? unknown : <code title={residency.digest}>{shortDigest(residency.digest)}</code>}</td>
      <td className="number">{loaded === undefined ? unknown : loaded.size_vram === 0 ? 'none, on the CPU' : bytes(loaded.size_vram)}</td>
      <td className="number">{loaded?.expires_at === undefined ? unknown : <Until at={loaded.expires_at} never="stays" />}</td>
      {onRemove !== undefined && (
        <td>
          <Button aria-label={`Remove from ${host}`} onClick={onRemove}>
            Remove
          </Button>
        </td>
      )}
    </tr>
  );
}
