import { useMutation, useQuery } from '@tanstack/react-query';
import { type DragEvent, type SubmitEvent, useId, useRef, useState } from 'react';

import { messageOf } from '../../../api/client';
import { modelsQuery } from '../../../api/queries';
import { storagesQuery } from '../../../api/storage';
import { Button } from '../../../ui/Button';
import { Dialog } from '../../../ui/Dialog';
import form from '../../../ui/form.module.css';
import { Problem } from '../../../ui/Problem';
import { bytes } from '../../../ui/units';
import { type Chosen, HostChoice, nothingChosen, placingOf } from '../HostChoice';
import type { Wanted } from './carrier';
import { sizeOf } from './files';
import { nameAfter, sameName } from './names';
import { chosenIn, droppedIn, type Picked } from './picked';
import { checkUpload } from './pieces';
import { Quantise } from './Quantise';
import { beginTransfer } from './transfers';
import styles from './Upload.module.css';

/** Asks for the files of a model, and for what is to become of them. */
export function UploadDialog({ dropped, onClose }: { dropped: Picked; onClose: () => void }) {
  const id = useId();
  const picker = useRef<HTMLInputElement>(null);
  const folderPicker = useRef<HTMLInputElement>(null);
  const [files, setFiles] = useState(() => together([], dropped.files)); // in the order in which they go
  const [folder, setFolder] = useState(dropped.folder);
  const [typed, setTyped] = useState<string>(); // the name, once somebody has typed one
  const [description, setDescription] = useState('');
  const [storage, setStorage] = useState('');
  const [quantize, setQuantize] = useState('');
  const [chosen, setChosen] = useState<Chosen>({ ...nothingChosen, way: 'none' });
  const [refused, setRefused] = useState(''); // why a folder was not taken
  const [problem, setProblem] = useState('');
  const storages = useQuery(storagesQuery);
  const { data: models = [] } = useQuery(modelsQuery);
  const name = typed ?? nameAfter(files, folder);
  // What the control plane would refuse is mended here, before a byte has gone.
  const check = useMutation({
    mutationFn: (wanted: Wanted) => checkUpload(files, wanted),
    onSuccess: (_, wanted) => {
      beginTransfer(files, wanted);
      onClose();
    },
    onError: (error) => setProblem(messageOf(error)),
  });

  const add = (more: Picked) => {
    setRefused('');
    setProblem('');
    setFiles((now) => together(now, more.files));
    if (more.folder !== '') setFolder(more.folder);
  };
  // More may be dropped beside the dialog.
  const [seen, setSeen] = useState(dropped);
  if (dropped !== seen) {
    setSeen(dropped);
    add(dropped);
  }
  const refuse = (error: unknown) => setRefused(messageOf(error));
  const addFolder = (all: readonly File[]) => {
    try {
      if (all.length > 0) add(chosenIn(all));
    } catch (error) {
      refuse(error);
    }
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const placing = placingOf(chosen);
    if (files.length === 0) setProblem('Choose a file.');
    else if (name.trim() === '') setProblem('Give the model a name.');
    else if (typeof placing === 'string') setProblem(placing);
    else {
      setProblem('');
      check.mutate({ name: name.trim(), description: description.trim(), storage, quantize, hosts: placing.hosts ?? [] });
    }
  };

  return (
    <Dialog
      title="Upload a model"
      onClose={onClose}
      closeLabel="Cancel"
      actions={
        <Button kind="primary" type="submit" form={id} disabled={check.isPending}>
          {check.isPending ? 'Asking…' : 'Upload'}
        </Button>
      }
    >
      <form id={id} className={form.form} onSubmit={submit}>
        <DropZone onDrop={(transfer) => droppedIn(transfer).then(add, refuse)}>
          <input ref={picker} type="file" multiple hidden aria-label="Files of the model" onChange={(event) => add({ files: taken(event.target), folder: '' })} />
          <input ref={folderPicker} type="file" {...wholeFolder} hidden aria-label="Folder of the model" onChange={(event) => addFolder(taken(event.target))} />
          <span className={styles.ways}>
            <Button onClick={() => picker.current?.click()}>Choose files</Button>
            <Button onClick={() => folderPicker.current?.click()}>Choose a folder</Button>
          </span>
          <span className={form.message}>or drop them here: all that one model comes in</span>
        </DropZone>
        {refused !== '' && (
          <p role="alert" className={form.problem}>
            {refused}
          </p>
        )}
        {files.length > 0 && (
          <ul className={styles.files} aria-label="Chosen files">
            {files.map((file) => (
              <li key={file.name} className={styles.file}>
                <span className={styles.filename}>{file.name}</span>
                <span className="number">{bytes(file.size)}</span>
                <Button kind="bare" aria-label={`Leave ${file.name} out`} onClick={() => setFiles(files.filter((one) => one !== file))}>
                  ×
                </Button>
              </li>
            ))}
          </ul>
        )}
        {files.length > 1 && <p className={form.message}>{sizeOf(files.length, files.reduce((sum, { size }) => sum + size, 0))}</p>}
        <div className={form.field}>
          <label htmlFor={`${id}-name`}>Name</label>
          <input id={`${id}-name`} type="text" autoComplete="off" aria-describedby={`${id}-help`} value={name} onChange={(event) => setTyped(event.target.value)} />
          <span id={`${id}-help`} className={form.message}>
            {models.some((model) => sameName(model.name, name)) ? 'There is a model of that name. This one takes its place.' : 'What it is called by, such as qwen3:8b.'}
          </span>
        </div>
        <label className={form.field}>
          Description
          <textarea value={description} onChange={(event) => setDescription(event.target.value)} />
        </label>
        <label className={form.field}>
          Storage
          <select value={storage} onChange={(event) => setStorage(event.target.value)}>
            <option value="">The default one</option>
            {(storages.data ?? []).filter((one) => !one.read_only).map((one) => (
              <option key={one.name}>{one.name}</option>
            ))}
          </select>
        </label>
        <Quantise value={quantize} onChange={setQuantize} />
        <HostChoice legend="Then bring it to" ways={['none', 'named', 'all']} value={chosen} onChange={setChosen} />
        <Problem text={problem} />
      </form>
    </Dialog>
  );
}

/** What has a field take a folder; React has no name for it. */
const wholeFolder = { webkitdirectory: '' };

/** The files of a model by their names, of which each is there once: the later one. */
function together(files: readonly File[], more: readonly File[]): File[] {
  const byName = new Map([...files, ...more].map((file) => [file.name, file]));
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The files that a field has, which is then empty, so that the same may be chosen again. */
export function taken(field: HTMLInputElement): File[] {
  const files = [...(field.files ?? [])];
  field.value = '';
  return files;
}

function DropZone({ onDrop, children }: { onDrop: (transfer: DataTransfer) => void; children: React.ReactNode }) {
  const [over, setOver] = useState(false);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    onDrop(event.dataTransfer);
  };
  return (
    <div
      className={`${styles.zone} ${over ? styles.over : ''}`}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      {children}
    </div>
  );
}
