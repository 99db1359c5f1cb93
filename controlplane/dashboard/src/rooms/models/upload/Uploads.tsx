import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';

import { messageOf } from '../../../api/client';
import { operationsQuery } from '../../../api/models';
import { Button } from '../../../ui/Button';
import form from '../../../ui/form.module.css';
import { Meter } from '../../../ui/Meter';
import { Status, type Tone } from '../../../ui/Status';
import { Ago } from '../../../ui/Time';
import { toast } from '../../../ui/toasts';
import { bytes, bytesPerSecond, remaining } from '../../../ui/units';
import { chosenAgain, listed, sizeOf } from './files';
import { outcomeOf } from './outcome';
import { forget, type Unfinished, unfinished } from './pieces';
import { beginTransfer, cancelTransfer, dismissTransfer, pauseTransfer, resumeTransfer, type Transfer, useTransfers } from './transfers';
import styles from './Upload.module.css';
import { taken } from './UploadDialog';
import { useElsewhere } from './windows';

const unfinishedKey = ['unfinished uploads'];

/** What is on its way from this browser, and what it began before and did not end. */
export function Uploads() {
  const { list } = useTransfers();
  const queries = useQueryClient();
  const { data = [] } = useQuery({ queryKey: unfinishedKey, queryFn: unfinished });
  const begun = data.filter(({ url }) => !list.some((one) => one.url === url));
  const going = list.length;
  const elsewhere = useElsewhere();
  useEffect(() => void queries.invalidateQueries({ queryKey: unfinishedKey }), [queries, going]);
  useEffect(() => {
    // Another window began one, or came to its end.
    const changed = () => void queries.invalidateQueries({ queryKey: unfinishedKey });
    window.addEventListener('storage', changed);
    return () => window.removeEventListener('storage', changed);
  }, [queries]);
  if (list.length === 0 && begun.length === 0) return null;
  return (
    <section className={styles.uploads} aria-label="Uploads from this browser">
      <ul>
        {list.map((one) => (
          <Going key={one.id} transfer={one} />
        ))}
        {begun.map((one) => (
          <Begun key={one.url} upload={one} sentElsewhere={elsewhere.get(one.url)} onChanged={() => void queries.invalidateQueries({ queryKey: unfinishedKey })} />
        ))}
      </ul>
    </section>
  );
}

const states: Record<Transfer['state'], { tone: Tone; label: string }> = {
  sending: { tone: 'good', label: 'Uploading' },
  paused: { tone: 'idle', label: 'Paused' },
  done: { tone: 'good', label: 'Uploaded' },
  failed: { tone: 'bad', label: 'Stopped' },
};

function Going({ transfer }: { transfer: Transfer }) {
  const { id, name, files, sizeBytes, sentBytes, bytesPerSecond: rate, state, waiting, failure, modelId } = transfer;
  const { data: operations = [] } = useQuery(operationsQuery);
  const outcome = state === 'done' ? outcomeOf(modelId, operations) : undefined;
  const left = rate > 0 ? (sizeBytes - sentBytes) / rate : 0;
  const over = state === 'failed' && failure?.again !== true;
  const cancel = () => cancelTransfer(id).catch((error: unknown) => toast(messageOf(error), 'bad'));
  return (
    <li className={styles.transfer}>
      <span className={styles.what}>
        {state === 'done' && modelId !== '' ? (
          <Link to="/models/$model" params={{ model: modelId }} className={styles.model}>
            {name}
          </Link>
        ) : (
          <span className={styles.model}>{name}</span>
        )}
        <span className={form.message}>{sizeOf(files, sizeBytes)}</span>
      </span>
      <span role="status">
        <Status {...(outcome ?? (waiting ? { tone: 'warn', label: 'Waiting' } : states[state]))} />
      </span>
      {outcome !== undefined ? (
        <span className={outcome.tone === 'bad' ? `${styles.about} ${form.problem}` : styles.about}>{outcome.sentence}</span>
      ) : failure !== undefined && state === 'failed' ? (
        <span className={`${styles.about} ${form.problem}`} role="alert">
          {failure.message}
          {failure.away === true && ' It goes on by itself when that is back.'}
        </span>
      ) : (
        <span className={styles.about}>
          <Sent name={name} sentBytes={sentBytes} sizeBytes={sizeBytes} />
          <span className={form.message}>
            {bytes(Math.min(sentBytes, sizeBytes))} of {bytes(sizeBytes)}
            {waiting && '. Nothing gets through just now; it goes on by itself.'}
            {rate > 0 && `, ${bytesPerSecond(rate)}`}
            {left >= 1 && `, ${remaining(left)} left`}
          </span>
        </span>
      )}
      <span className={styles.actions}>
        {state === 'sending' && (
          <Button aria-label={`Pause the upload of ${name}`} onClick={() => pauseTransfer(id)}>
            Pause
          </Button>
        )}
        {(state === 'paused' || (state === 'failed' && failure?.again === true)) && (
          <Button aria-label={`Go on with the upload of ${name}`} onClick={() => resumeTransfer(id)}>
            Go on
          </Button>
        )}
        {state === 'done' ? (
          <Button aria-label={`Put away the upload of ${name}`} onClick={() => dismissTransfer(id)}>
            Put away
          </Button>
        ) : (
          <Button aria-label={`${over ? 'Discard' : 'Cancel'} the upload of ${name}`} onClick={() => void cancel()}>
            {over ? 'Discard' : 'Cancel'}
          </Button>
        )}
      </span>
    </li>
  );
}

/** How much of an upload has gone, as a bar. */
function Sent({ name, sentBytes, sizeBytes }: { name: string; sentBytes: number; sizeBytes: number }) {
  const share = sizeBytes > 0 ? Math.min(100, (sentBytes / sizeBytes) * 100) : undefined;
  return <Meter label={`Upload of ${name}`} value={share} warnAt={Infinity} badAt={Infinity} />;
}

/** An upload of before a reload, or of another window. The browser no longer has its files, which have to be chosen again. */
function Begun({ upload, sentElsewhere, onChanged }: { upload: Unfinished; sentElsewhere: number | undefined; onChanged: () => void }) {
  const picker = useRef<HTMLInputElement>(null);
  const [chosen, setChosen] = useState<readonly File[]>([]); // of several, which may come from several folders
  const [problem, setProblem] = useState('');
  const { wanted, files, sizeBytes, stored } = upload;
  const names = listed(files.map(({ filename }) => filename));
  const several = files.length > 1;
  const choose = several ? 'Choose the files' : 'Choose the file';
  const pick = (field: HTMLInputElement) => {
    const picked = [...taken(field), ...chosen];
    if (picked.length === 0) return;
    const found = chosenAgain(files, picked);
    if (typeof found !== 'string') {
      beginTransfer(found, wanted, upload);
      return;
    }
    setChosen(picked);
    setProblem(found);
  };
  const drop = () =>
    forget(upload.url)
      .then(onChanged)
      .catch((error: unknown) => setProblem(messageOf(error)));
  const what = (
    <span className={styles.what}>
      <span className={styles.model}>{wanted.name}</span>
      <span className={form.message}>{sizeOf(files.length, sizeBytes)}</span>
    </span>
  );
  if (sentElsewhere !== undefined) {
    return (
      <li className={styles.transfer}>
        {what}
        <Status {...states.sending} />
        <span className={styles.about}>
          <Sent name={wanted.name} sentBytes={sentElsewhere} sizeBytes={sizeBytes} />
          <span className={form.message}>Another window of this browser sends it.</span>
        </span>
      </li>
    );
  }
  return (
    <li className={styles.transfer}>
      {what}
      <Status tone="warn" label="Not finished" />
      <span className={styles.about}>
        <span>
          Begun <Ago at={stored.creationTime} />. Choose {names} again, and it goes on where it was.
        </span>
        {problem !== '' && (
          <span role="alert" className={form.problem}>
            {problem}
          </span>
        )}
      </span>
      <span className={styles.actions}>
        <input
          ref={picker}
          type="file"
          multiple={several}
          hidden
          aria-label={several ? `The files of ${wanted.name}` : `The file ${names}`}
          onChange={(event) => pick(event.target)}
        />
        <Button aria-label={`${choose} for ${wanted.name} again`} onClick={() => picker.current?.click()}>
          {choose}
        </Button>
        <Button aria-label={`Discard the upload of ${wanted.name}`} onClick={() => void drop()}>
          Discard
        </Button>
      </span>
    </li>
  );
}
