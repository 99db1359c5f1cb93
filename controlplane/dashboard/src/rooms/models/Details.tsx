import { Link } from '@tanstack/react-router';

import type { ModelInfo, Residency } from '../../api/types.gen';
import { CopyButton } from '../../ui/CopyButton';
import { Dialog } from '../../ui/Dialog';
import { Status } from '../../ui/Status';
import { Time } from '../../ui/Time';
import { bytes, unknown } from '../../ui/units';
import { Until } from '../../ui/Until';
import styles from './Details.module.css';
import { shortDigest, type Version, versionsOf } from './versions';

interface Props {
  /** Undefined when there is no such model (any more). */
  model: ModelInfo | undefined;
  mayAsk: boolean;
  onClose: () => void;
}

/** All that is known of a model, version by version and host by host. */
export function Details({ model, mayAsk, onClose }: Props) {
  if (model === undefined) {
    return (
      <Dialog title="This model is not there" onClose={onClose}>
        <p>No host that can be reached has it now. It appears again when one does.</p>
      </Dialog>
    );
  }
  const versions = versionsOf(model);
  const chat = mayAsk && (
    <Link to="/chat" search={{ model: model.name }} className={styles.chat}>
      Chat
    </Link>
  );
  return (
    <Dialog title={model.name} onClose={onClose} actions={chat}>
      <dl className={styles.facts}>
        <Fact label="Family" value={model.family} />
        <Fact label="Format" value={model.format} />
        <Fact label="Parameters" value={model.parameter_size} />
        <Fact label="Quantisation" value={model.quantization} />
        <Fact label="Size" value={bytes(model.size)} />
        <div>
          <dt>Changed</dt>
          <dd>{model.modified_at === undefined ? unknown : <Time at={model.modified_at} />}</dd>
        </div>
      </dl>
      {model.conflict && (
        <p className={styles.conflict}>
          <Status tone="warn" label="The hosts disagree" />
          <span>
            They hold {versions.length} different versions under this name. A call by the name goes to the first one below, which most of them hold; the name with
            @ and a digest behind it calls another. Pulling the model again on the hosts ends this.
          </span>
        </p>
      )}
      {versions.map((version) => (
        <VersionPart key={version.digest} version={version} name={model.name} among={versions.length} />
      ))}
    </Dialog>
  );
}

function Fact({ label, value }: { label: string; value: string | undefined }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{value ?? unknown}</dd>
    </div>
  );
}

function VersionPart({ version: { digest, chosen, residencies }, name, among }: { version: Version; name: string; among: number }) {
  const short = shortDigest(digest);
  return (
    <section className={styles.version} aria-label={`Version ${short}`}>
      <h3 className={styles.digest}>
        <code title={digest}>{short}</code>
        {among > 1 && chosen && <span className={styles.called}>called by the name alone</span>}
        <CopyButton text={chosen ? digest : `${name}@sha256:${digest.replace(/^sha256:/, '')}`} label={chosen ? 'Copy digest' : 'Copy name'} />
      </h3>
      <div className={styles.scroll} tabIndex={0} role="region" aria-label={`Hosts with version ${short}`}>
        <table className={styles.table}>
          <thead>
            <tr>
              <th scope="col">Host</th>
              <th scope="col">Instance</th>
              <th scope="col">State</th>
              <th scope="col">GPU memory</th>
              <th scope="col">Unloads</th>
            </tr>
          </thead>
          <tbody>
            {residencies.map((residency) => (
              <Place key={`${residency.host_id}/${residency.instance}`} residency={residency} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Place({ residency: { host_id, host, instance, status, size_vram, expires_at } }: { residency: Residency }) {
  const loaded = status === 'loaded';
  return (
    <tr>
      <td>
        <Link to="/hosts/$host" params={{ host: host_id }} className={styles.host} title={host}>
          {host}
        </Link>
      </td>
      <td>{instance}</td>
      <td>
        <Status tone={loaded ? 'good' : 'idle'} label={loaded ? 'In memory' : 'On disk'} />
      </td>
      <td className="number">{loaded ? (size_vram === 0 ? 'none, on the CPU' : bytes(size_vram)) : unknown}</td>
      <td className="number">{loaded && expires_at !== undefined ? <Until at={expires_at} never="stays" /> : unknown}</td>
    </tr>
  );
}
