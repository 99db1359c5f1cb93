import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';

import { modelsQuery } from '../../api/queries';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import { Failure, Loading, Notice } from '../../ui/Notice';
import { Status } from '../../ui/Status';
import { bytes } from '../../ui/units';
import { type Choice, choicesOf, fewOf } from './choices';
import styles from './ModelPicker.module.css';

/** How many models are listed at once; the others are found by searching. */
const shownLimit = 60;

interface Props {
  model: string;
  onPick: (model: string) => void;
}

/** Shows which model is talked to, and lets another one be picked. */
export function ModelPicker({ model, onPick }: Props) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button className={styles.trigger ?? ''} aria-haspopup="dialog" title={model} onClick={() => setOpen(true)}>
        <span className="visually-hidden">Model: </span>
        <span className={styles.cut}>{model || 'Pick a model'}</span>
        <span aria-hidden>▾</span>
      </Button>
      {open && (
        <Dialog title="Pick a model" onClose={() => setOpen(false)}>
          <Choices
            model={model}
            onPick={(picked) => {
              onPick(picked);
              setOpen(false);
            }}
          />
        </Dialog>
      )}
    </>
  );
}

function Choices({ model, onPick }: Props) {
  const models = useQuery(modelsQuery);
  const [words, setWords] = useState('');
  const choices = useMemo(() => choicesOf(models.data ?? []), [models.data]);
  if (models.data === undefined) {
    return models.isError ? <Failure error={models.error} onRetry={() => void models.refetch()} /> : <Loading label="Loading the models" />;
  }
  if (choices.length === 0) {
    return (
      <Notice title="No model can be reached">
        <p>
          <Link to="/models">How to get one</Link>
        </p>
      </Notice>
    );
  }
  const found = choices.filter(({ name }) => name.toLowerCase().includes(words.trim().toLowerCase()));
  return (
    <>
      <label className={styles.search}>
        Search
        <input type="search" value={words} onChange={(event) => setWords(event.target.value)} />
      </label>
      <ul className={styles.list}>
        {found.slice(0, shownLimit).map((choice) => (
          <li key={choice.name}>
            <Item choice={choice} chosen={choice.name === model} onPick={onPick} />
          </li>
        ))}
      </ul>
      <p className="quiet" role="status">
        {found.length === 0 && 'No model is named like that.'}
        {found.length > shownLimit && `${found.length - shownLimit} more are found by searching.`}
      </p>
    </>
  );
}

function Item({ choice: { name, loaded, hosts, size }, chosen, onPick }: { choice: Choice; chosen: boolean; onPick: Props['onPick'] }) {
  return (
    <button type="button" className={styles.item} aria-pressed={chosen} title={name} onClick={() => onPick(name)}>
      <span className={styles.name}>
        <span className={styles.cut}>{name}</span>
        {chosen && <span aria-hidden>✓</span>}
      </span>
      <span className={styles.facts}>
        {loaded ? <Status tone="good" label="In memory" /> : <Status tone="idle" label="Has to be loaded" />}
        <span className={styles.cut}>
          {fewOf(hosts)} · {bytes(size)}
        </span>
      </span>
    </button>
  );
}
