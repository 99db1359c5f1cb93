import type { ModelInfo } from '../../api/types.gen';
import { CopyButton } from '../../ui/CopyButton';
import { Time } from '../../ui/Time';
import { bytes, unknown } from '../../ui/units';
import { lineOf } from './labels';
import styles from './ModelRoom.module.css';
import { parametersOf } from './rows';
import { shortDigest } from './versions';

const counts = new Intl.NumberFormat('en');

/** What a model is, as far as that is known. */
export function Facts({ model }: { model: ModelInfo }) {
  const { digest, parameter_count: count, context_tokens: context, capabilities = [], description, labels = {}, aliases = [] } = model;
  return (
    <section aria-label="What it is" className={styles.part}>
      {description !== null && description !== '' && <p className={styles.description}>{description}</p>}
      <dl className={styles.facts}>
        <Fact label="Format" value={model.format} />
        <Fact label="Architecture" value={model.family} />
        <Fact label="Parameters" value={parametersOf(model)} title={count === undefined ? undefined : counts.format(count)} />
        <Fact label="Quantisation" value={model.quantization} />
        <Fact label="Context" value={context === undefined ? undefined : `${counts.format(context)} tokens`} />
        <Fact label="Capabilities" value={capabilities.join(', ')} />
        <Fact label="Licence" value={firstLine(model.license)} />
        <Fact label="Size" value={model.size > 0 ? bytes(model.size) : undefined} />
        <div>
          <dt>Changed</dt>
          <dd>{model.modified_at === undefined ? unknown : <Time at={model.modified_at} />}</dd>
        </div>
        <Fact label="Labels" value={lineOf(labels)} />
        {aliases.length > 0 && <Fact label="Also called" value={aliases.join(', ')} />}
        <div>
          <dt>Digest</dt>
          <dd className={styles.digest}>
            {digest === '' ? (
              unknown
            ) : (
              <>
                <code title={digest}>{shortDigest(digest)}</code>
                <CopyButton text={digest} label="Copy digest" />
              </>
            )}
          </dd>
        </div>
      </dl>
    </section>
  );
}

function Fact({ label, value = '', title }: { label: string; value: string | undefined; title?: string | undefined }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd title={title}>{value === '' ? unknown : value}</dd>
    </div>
  );
}

/** Some models have the whole text of their licence. */
function firstLine(text = ''): string {
  return text.trim().split('\n')[0] ?? '';
}
