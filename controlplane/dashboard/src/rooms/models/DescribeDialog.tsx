import { useMutation } from '@tanstack/react-query';
import { type SubmitEvent, useId, useState } from 'react';

import { messageOf } from '../../api/client';
import { changeModel, type ModelPatch } from '../../api/models';
import type { ModelInfo } from '../../api/types.gen';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import form from '../../ui/form.module.css';
import { toast } from '../../ui/toasts';
import { labelsIn, lineOf } from './labels';
import { useTakeModel } from './useTakeModel';

/** Asks what is to be said of a model. */
export function DescribeDialog({ model, onClose }: { model: ModelInfo; onClose: () => void }) {
  const id = useId();
  const [description, setDescription] = useState(model.description ?? '');
  const [line, setLine] = useState(lineOf(model.labels));
  const [problem, setProblem] = useState('');
  const take = useTakeModel();
  const change = useMutation({
    mutationFn: (patch: ModelPatch) => changeModel(model.id, patch),
    onSuccess: (now) => {
      take(now);
      toast(`${now.name} is changed.`);
      onClose();
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const labels = labelsIn(line);
    setProblem(typeof labels === 'string' ? labels : '');
    if (typeof labels !== 'string') change.mutate({ description: description.trim(), labels });
  };
  return (
    <Dialog
      title={`Describe ${model.name}`}
      onClose={onClose}
      closeLabel="Cancel"
      actions={
        <Button kind="primary" type="submit" form={id} disabled={change.isPending}>
          {change.isPending ? 'Saving…' : 'Save'}
        </Button>
      }
    >
      <form id={id} className={form.form} onSubmit={submit}>
        <label className={form.field}>
          Description
          <textarea value={description} onChange={(event) => setDescription(event.target.value)} />
        </label>
        <div className={form.field}>
          <label htmlFor={`${id}-labels`}>Labels</label>
          <input
            id={`${id}-labels`}
            type="text"
            autoComplete="off"
            aria-describedby={`${id}-help`}
            placeholder="team=search, tier=prod"
            value={line}
            onChange={(event) => setLine(event.target.value)}
          />
          <span id={`${id}-help`} className={form.message}>
            name=value, with commas between them
          </span>
        </div>
        {(problem !== '' || change.isError) && (
          <p role="alert" className={form.problem}>
            {problem === '' ? messageOf(change.error) : problem}
          </p>
        )}
      </form>
    </Dialog>
  );
}
