import { useMutation } from '@tanstack/react-query';
import { type SubmitEvent, useId, useState } from 'react';

import { messageOf } from '../../api/client';
import { bringModel, type Placing } from '../../api/models';
import type { ModelInfo } from '../../api/types.gen';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import form from '../../ui/form.module.css';
import { toast } from '../../ui/toasts';
import { type Chosen, HostChoice, nothingChosen, placingOf } from './HostChoice';
import { useTakeModel } from './useTakeModel';

/** Asks which hosts are to get a model. */
export function BringDialog({ model, onClose }: { model: ModelInfo; onClose: () => void }) {
  const id = useId();
  const [chosen, setChosen] = useState<Chosen>(nothingChosen);
  const [missing, setMissing] = useState('');
  const take = useTakeModel();
  const bring = useMutation({
    mutationFn: (where: Placing) => bringModel(model.id, where),
    onSuccess: (now) => {
      take(now);
      toast(`${now.name} is on its way.`);
      onClose();
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const where = placingOf(chosen);
    setMissing(typeof where === 'string' ? where : '');
    if (typeof where !== 'string') bring.mutate(where);
  };
  return (
    <Dialog
      title={`Bring ${model.name} to hosts`}
      onClose={onClose}
      closeLabel="Cancel"
      actions={
        <Button kind="primary" type="submit" form={id} disabled={bring.isPending}>
          {bring.isPending ? 'Asking…' : 'Bring it there'}
        </Button>
      }
    >
      <form id={id} className={form.form} onSubmit={submit}>
        <HostChoice legend="Which hosts" ways={['best', 'named', 'labels', 'all']} value={chosen} onChange={setChosen} />
        <p className={form.message}>They get it as soon as they can be reached, and keep it until it is removed.</p>
        {(missing !== '' || bring.isError) && (
          <p role="alert" className={form.problem}>
            {missing === '' ? messageOf(bring.error) : missing}
          </p>
        )}
      </form>
    </Dialog>
  );
}
