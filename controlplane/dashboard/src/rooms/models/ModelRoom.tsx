import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';

import { operationsQuery } from '../../api/models';
import { hostsQuery, modelsQuery } from '../../api/queries';
import { sessionQuery } from '../../api/session';
import type { ModelInfo } from '../../api/types.gen';
import { Failure, Loading, Notice } from '../../ui/Notice';
import room from '../../ui/room.module.css';
import { asSentence } from '../../ui/sentences';
import { Status } from '../../ui/Status';
import { Until } from '../../ui/Until';
import { OperationTable } from '../operations/OperationTable';
import { ended } from '../operations/words';
import { Facts } from './Facts';
import { ModelActions } from './ModelActions';
import { ModelFiles } from './ModelFiles';
import { ModelFits } from './ModelFits';
import { ModelHosts } from './ModelHosts';
import styles from './ModelRoom.module.css';
import { modelStates } from './modelStates';
import { isStored } from './places';
import { Versions } from './Versions';

/** How many operations of before are shown. */
const shownEnded = 5;

/** One model: what it is, where it is and should be, and what can be done with it. */
export function ModelRoom() {
  const { model: ref } = useParams({ from: '/inside/models/$model' });
  const models = useQuery(modelsQuery);
  const { data: hosts = [] } = useQuery(hostsQuery);
  const { data: operations = [] } = useQuery(operationsQuery);
  const { data: session } = useQuery(sessionQuery);
  const called = (name: string) => name === ref || name === `${ref}:latest`;
  const model =
    models.data?.find(({ id }) => id === ref) ??
    models.data?.find(({ aliases = [] }) => aliases.some(called)) ??
    models.data?.find(({ name }) => called(name));

  if (models.data === undefined) {
    if (models.isError) return <Failure error={models.error} onRetry={() => void models.refetch()} />;
    return <Loading label="Loading the model" />;
  }
  const of = operations.filter((one) => one.model_id === (model?.id ?? ref));
  const shown = [...of.filter((one) => !ended(one)), ...of.filter(ended).slice(0, shownEnded)];
  return (
    <div className={room.room}>
      <nav aria-label="Models">
        <Link to="/models" className={styles.way}>
          Models
        </Link>
      </nav>
      {model === undefined ? (
        <Notice title="This model is not there" tone="warn">
          <p>The catalogue does not have it, and no host that can be reached has it now. It appears again when one does.</p>
        </Notice>
      ) : (
        <>
          <header className={room.head}>
            <h1 className={styles.name}>{model.name}</h1>
            <Status {...modelStates[model.status]} />
            {model.pinned === true && <span className={styles.pinned}>Pinned</span>}
            <ModelActions model={model} role={session?.role} />
          </header>
          <Trash model={model} />
          {model.problems !== undefined && model.problems.length > 0 && (
            <Sentences title="What is wrong" tone="bad" sentences={model.problems} />
          )}
          {model.conflict && <Versions model={model} />}
          <Facts model={model} />
          {model.notes !== undefined && model.notes.length > 0 && <Sentences title="Worth knowing" tone="plain" sentences={model.notes} />}
          <ModelHosts model={model} hosts={hosts} operations={of} role={session?.role} />
          {isStored(model) && model.deleted_at === undefined && <ModelFits model={model} />}
          <ModelFiles model={model} />
        </>
      )}
      {shown.length > 0 && (
        <section aria-labelledby="model-operations" className={styles.part}>
          <h2 id="model-operations">Operations</h2>
          <OperationTable caption="Operations on this model" operations={shown} ofOne />
        </section>
      )}
    </div>
  );
}

function Trash({ model }: { model: ModelInfo }) {
  if (model.deleted_at === undefined) return null;
  return (
    <Notice title="This model is deleted" tone="warn">
      <p>
        {model.residencies.length > 0 && 'It goes from its hosts now. '}
        {model.purge_at !== undefined && (
          <>
            Its files go <Until at={model.purge_at} never="never" />; until then it can be restored.
          </>
        )}
      </p>
    </Notice>
  );
}

function Sentences({ title, tone, sentences }: { title: string; tone: 'plain' | 'bad'; sentences: readonly string[] }) {
  return (
    <Notice title={title} tone={tone}>
      <ul className={styles.sentences}>
        {sentences.map((sentence) => (
          <li key={sentence}>{asSentence(sentence)}</li>
        ))}
      </ul>
    </Notice>
  );
}
