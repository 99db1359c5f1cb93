import type { ModelInfo } from '../../api/types.gen';
import { CopyButton } from '../../ui/CopyButton';
import { Status } from '../../ui/Status';
import styles from './ModelRoom.module.css';
import { isStored } from './places';
import { shortDigest, type Version, versionsOf } from './versions';

/** Says that one name stands for several contents, and which of them is called. */
export function Versions({ model }: { model: ModelInfo }) {
  const versions = versionsOf(model);
  return (
    <section className={styles.conflict} aria-label="Versions">
      <Status tone="warn" label="The hosts disagree" />
      <p>
        There are {versions.length} different versions under this name, and they are never taken for one model. A call by the name goes to the first one below; the
        name with @ and a digest behind it calls another.{' '}
        {isStored(model)
          ? 'Bringing the model to the hosts again, or removing it from those with another version, ends this.'
          : 'Removing it from the hosts with another version, or uploading it and bringing it to them, ends this.'}
      </p>
      <ul>
        {versions.map((version) => (
          <VersionLine key={version.digest} version={version} name={model.name} />
        ))}
      </ul>
    </section>
  );
}

function VersionLine({ version: { digest, chosen, residencies }, name }: { version: Version; name: string }) {
  const short = shortDigest(digest);
  const hosts = [...new Set(residencies.map(({ host }) => host))];
  return (
    <li className={styles.version} aria-label={`Version ${short}`}>
      <code title={digest}>{short}</code>
      <span className={styles.on}>{hosts.length === 0 ? 'on no host' : `on ${hosts.join(', ')}`}</span>
      {chosen && <span className={styles.called}>called by the name alone</span>}
      {!chosen && <CopyButton text={`${name}@sha256:${digest.replace(/^sha256:/, '')}`} label="Copy name" />}
    </li>
  );
}
