import { useMutation, useQuery } from '@tanstack/react-query';
import { type SubmitEvent, useId, useState } from 'react';

import { messageOf } from '../../api/client';
import { bringModel, fitQuery, type Placing } from '../../api/models';
import type { ChosenHost, ModelInfo } from '../../api/types.gen';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import form from '../../ui/form.module.css';
import { Problem } from '../../ui/Problem';
import { toast } from '../../ui/toasts';
import { asHostsHaveIt, verdicts } from './fits';
import { type Chosen, HostChoice, nothingChosen, placingOf } from './HostChoice';
import { useTakeModel } from './useTakeModel';

/** Which hosts were chosen, in a sentence. */
function wayOf(name: string, hosts: readonly ChosenHost[]): string {
  const missing = hosts.filter(({ operation }) => operation !== null).map(({ host }) => host);
  if (missing.length === 0) return `${name} is there already.`;
  const named = missing.slice(0, 3).join(', ');
  return `${name} is on its way to ${missing.length > 3 ? `${named} and ${missing.length - 3} more` : named}.`;
}

/** Asks which hosts are to get a model. */
export function BringDialog({ model, onClose }: { model: ModelInfo; onClose: () => void }) {
  const id = useId();
  const [chosen, setChosen] = useState<Chosen>(nothingChosen);
  const [missing, setMissing] = useState('');
  const take = useTakeModel();
  const { data: fits = [] } = useQuery(fitQuery(model.id, asHostsHaveIt));
  const note = (host: string) => {
    const fit = fits.find(({ host_id }) => host_id === host);
    return [fit === undefined ? '' : verdicts[fit.verdict].label, model.wanted_on?.includes(host) === true ? 'is to have it already' : ''].filter(Boolean).join(', ');
  };
  const bring = useMutation({
    mutationFn: (where: Placing) => bringModel(model.id, where),
    onSuccess: ({ chosen: hosts, ...now }) => {
      take(now);
      toast(wayOf(now.name, hosts));
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
        <HostChoice legend="Which hosts" ways={['best', 'named', 'labels', 'all']} value={chosen} onChange={setChosen} note={note} />
        <p className={form.message}>They get it as soon as they can be reached, and keep it until it is removed.</p>
        <Problem text={missing !== '' ? missing : bring.isError ? messageOf(bring.error) : ''} />
      </form>
    </Dialog>
  );
}
