import { useMutation } from '@tanstack/react-query';
import { type SubmitEvent, useId, useState } from 'react';

import { messageOf } from '../../api/client';
import { changeModel, type ModelPatch } from '../../api/models';
import type { ModelInfo } from '../../api/types.gen';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import form from '../../ui/form.module.css';
import { Problem } from '../../ui/Problem';
import { toast } from '../../ui/toasts';
import { labelsIn, lineOf } from './labels';
import { useTakeModel } from './useTakeModel';

/** The names in a line, with commas between them. */
function namesIn(line: string): string[] {
  return line
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** Asks what is to be said of a model. */
export function DescribeDialog({ model, onClose }: { model: ModelInfo; onClose: () => void }) {
  const id = useId();
  const [description, setDescription] = useState(model.description ?? '');
  const [line, setLine] = useState(lineOf(model.labels));
  const [names, setNames] = useState((model.aliases ?? []).join(', '));
  const [move, setMove] = useState(false);
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
    if (typeof labels !== 'string') change.mutate({ description: description.trim(), labels, aliases: namesIn(names), move_aliases: move });
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
        <div className={form.field}>
          <label htmlFor={`${id}-aliases`}>Aliases</label>
          <input
            id={`${id}-aliases`}
            type="text"
            autoComplete="off"
            aria-describedby={`${id}-aliases-help`}
            placeholder="prod, team/assistant:latest"
            value={names}
            onChange={(event) => setNames(event.target.value)}
          />
          <span id={`${id}-aliases-help`} className={form.message}>
            Other names by which callers get it, with commas between them
          </span>
          <label className={form.option}>
            <input type="checkbox" checked={move} onChange={(event) => setMove(event.target.checked)} />
            Take them from other models that have them as aliases
          </label>
        </div>
        <Problem text={problem !== '' ? problem : change.isError ? messageOf(change.error) : ''} />
      </form>
    </Dialog>
  );
}
