import { useMutation } from '@tanstack/react-query';
import { type SubmitEvent, useId, useState } from 'react';

import { messageOf } from '../../api/client';
import { deleteModel } from '../../api/models';
import type { ModelInfo } from '../../api/types.gen';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import form from '../../ui/form.module.css';
import { toast } from '../../ui/toasts';
import { HostList } from './HostChoice';
import choice from './HostChoice.module.css';
import { isStored } from './places';
import { useTakeModel } from './useTakeModel';

interface Props {
  model: ModelInfo;
  /** The id of the host that is meant at first; without one it is everywhere. */
  from?: string;
  onClose: () => void;
}

/** Asks from where a model is to go. */
export function DeleteDialog({ model, from, onClose }: Props) {
  const id = useId();
  const deleted = model.deleted_at !== undefined;
  const [everywhere, setEverywhere] = useState(from === undefined);
  const [hosts, setHosts] = useState<readonly string[]>(from === undefined ? [] : [from]);
  const [purge, setPurge] = useState(deleted);
  const take = useTakeModel();
  const remove = useMutation({
    mutationFn: () => deleteModel(model.id, everywhere ? { purge } : { hosts: [...hosts] }),
    onSuccess: (now) => {
      take(now);
      toast(!everywhere ? `${model.name} goes from ${hosts.length === 1 ? 'the host' : 'the hosts'}.` : purge ? `${model.name} goes for good.` : `${model.name} is deleted.`);
      onClose();
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (everywhere || hosts.length > 0) remove.mutate();
  };
  const among = [...new Set([...model.residencies.map((one) => one.host_id), ...(model.wanted_on ?? [])])];
  const stored = isStored(model);
  const nowhere = !stored && among.length === 0; // it is arriving, or was no model
  return (
    <Dialog
      title={deleted ? `Delete ${model.name} for good?` : `Delete ${model.name}?`}
      onClose={onClose}
      closeLabel="Cancel"
      actions={
        <Button kind="danger" type="submit" form={id} disabled={remove.isPending || (!everywhere && hosts.length === 0)}>
          {remove.isPending ? 'Asking…' : everywhere ? 'Delete' : 'Remove'}
        </Button>
      }
    >
      <form id={id} className={form.form} onSubmit={submit}>
        {deleted ? (
          <p>Its files go at once. It can’t be restored then.</p>
        ) : nowhere ? (
          <p>It goes from the catalogue, with what has come of it.</p>
        ) : (
          <fieldset className={choice.choice}>
            <legend>From where</legend>
            <label className={choice.option}>
              <input type="radio" name={id} checked={everywhere} onChange={() => setEverywhere(true)} />
              {stored ? 'Everywhere: hosts, storage and catalogue' : 'Every host that has it'}
            </label>
            {everywhere && stored && (
              <label className={`${choice.option} ${choice.more}`}>
                <input type="checkbox" checked={purge} onChange={(event) => setPurge(event.target.checked)} />
                Its files at once, and not after a day in the trash
              </label>
            )}
            {among.length > 0 && (
              <label className={choice.option}>
                <input type="radio" name={id} checked={!everywhere} onChange={() => setEverywhere(false)} />
                These hosts alone
              </label>
            )}
            {!everywhere && <HostList chosen={hosts} onChange={setHosts} among={among} />}
          </fieldset>
        )}
        {!nowhere && (
          <p className={form.message}>
            Where it is in memory it is unloaded first. A host that is away lets go of it when it is back.
            {!stored && ' It is stored nowhere else, and can’t be restored.'}
          </p>
        )}
        {remove.isError && (
          <p role="alert" className={form.problem}>
            {messageOf(remove.error)}
          </p>
        )}
      </form>
    </Dialog>
  );
}
