import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type SubmitEvent, useId, useState } from 'react';

import { messageOf } from '../../../api/client';
import { importModel, type ModelImport, operationsQuery } from '../../../api/models';
import { modelsQuery } from '../../../api/queries';
import { storagesQuery } from '../../../api/storage';
import { Button } from '../../../ui/Button';
import { Dialog } from '../../../ui/Dialog';
import form from '../../../ui/form.module.css';
import { Problem } from '../../../ui/Problem';
import { toast } from '../../../ui/toasts';
import { type Chosen, HostChoice, nothingChosen, placingOf } from '../HostChoice';
import { listed } from './files';
import { Quantise } from './Quantise';

/** Asks where a storage has the files of a model, and for what is to become of them. */
export function ImportDialog({ onClose }: { onClose: () => void }) {
  const id = useId();
  const [source, setSource] = useState('');
  const [name, setName] = useState('');
  const [description, setDescription] = useState('');
  const [quantize, setQuantize] = useState('');
  const [chosen, setChosen] = useState<Chosen>({ ...nothingChosen, way: 'none' });
  const [missing, setMissing] = useState('');
  const queries = useQueryClient();
  const { data: storages = [] } = useQuery(storagesQuery);
  const addresses = storages.map(({ address }) => address).filter((address) => address !== '');
  const bring = useMutation({
    mutationFn: (what: ModelImport) => importModel(what),
    onSuccess: (now) => {
      void queries.invalidateQueries({ queryKey: modelsQuery.queryKey });
      void queries.invalidateQueries({ queryKey: operationsQuery.queryKey });
      toast(`${now.name} is found. Its files are looked at now.`);
      onClose();
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const placing = placingOf(chosen);
    const problem = source.trim() === '' ? 'Say where its files are.' : typeof placing === 'string' ? placing : '';
    setMissing(problem);
    if (problem === '' && typeof placing !== 'string') {
      bring.mutate({ source: source.trim(), name: name.trim(), description: description.trim(), quantize, hosts: placing.hosts ?? [] });
    }
  };
  return (
    <Dialog
      title="Import a model"
      onClose={onClose}
      closeLabel="Cancel"
      actions={
        <Button kind="primary" type="submit" form={id} disabled={bring.isPending}>
          {bring.isPending ? 'Asking…' : 'Import'}
        </Button>
      }
    >
      <form id={id} className={form.form} onSubmit={submit}>
        <div className={form.field}>
          <label htmlFor={`${id}-source`}>Where its files are</label>
          <input
            id={`${id}-source`}
            type="text"
            autoComplete="off"
            aria-describedby={`${id}-help`}
            placeholder="s3://models/tiny.gguf"
            list={`${id}-addresses`}
            value={source}
            onChange={(event) => setSource(event.target.value)}
          />
          <datalist id={`${id}-addresses`}>
            {addresses.map((address) => (
              <option key={address} value={address} />
            ))}
          </datalist>
          <span id={`${id}-help`} className={form.message}>
            The URL of its file in one of the storages, or of the folder of its files. They stay where they are.
            {addresses.length > 0 && ` Here it begins with ${listed(addresses)}.`}
          </span>
        </div>
        <label className={form.field}>
          Name
          <input type="text" autoComplete="off" placeholder="after the URL" value={name} onChange={(event) => setName(event.target.value)} />
        </label>
        <label className={form.field}>
          Description
          <textarea value={description} onChange={(event) => setDescription(event.target.value)} />
        </label>
        <Quantise value={quantize} onChange={setQuantize} />
        <HostChoice legend="Then bring it to" ways={['none', 'named', 'all']} value={chosen} onChange={setChosen} />
        <Problem text={missing !== '' ? missing : bring.isError ? messageOf(bring.error) : ''} />
      </form>
    </Dialog>
  );
}
