import { useMutation } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';

import { messageOf } from '../../api/client';
import { changeModel, restoreModel } from '../../api/models';
import { may, type Role } from '../../api/session';
import type { ModelInfo } from '../../api/types.gen';
import { Button } from '../../ui/Button';
import { toast } from '../../ui/toasts';
import { BringDialog } from './BringDialog';
import { DeleteDialog } from './DeleteDialog';
import { DescribeDialog } from './DescribeDialog';
import styles from './ModelRoom.module.css';
import { isStored } from './places';
import { useTakeModel } from './useTakeModel';

/** What can be done with a model: by operators, but for the chat. */
export function ModelActions({ model, role }: { model: ModelInfo; role: Role | undefined }) {
  const [open, setOpen] = useState<'bring' | 'delete' | 'describe'>();
  const take = useTakeModel();
  const pin = useMutation({
    mutationFn: () => changeModel(model.id, { pinned: model.pinned !== true }),
    onSuccess: (now) => {
      take(now);
      toast(now.pinned === true ? `${now.name} is pinned: it stays where it is, whoever needs the room.` : `${now.name} is no longer pinned.`);
    },
    onError: (error) => toast(messageOf(error), 'bad'),
  });
  const restore = useMutation({
    mutationFn: () => restoreModel(model.id),
    onSuccess: (now) => {
      take(now);
      toast(`${now.name} is restored. Hosts get it again when they are told to.`);
    },
    onError: (error) => toast(messageOf(error), 'bad'),
  });
  const close = () => setOpen(undefined);
  const operates = role !== undefined && may(role, 'operator');
  const deleted = model.deleted_at !== undefined;
  const chats = role !== undefined && may(role, 'inference') && model.residencies.length > 0 && !deleted;
  return (
    <div className={styles.actions}>
      {chats && (
        <Link to="/chat" search={{ model: model.name }} className={styles.chat}>
          Chat
        </Link>
      )}
      {operates && deleted && (
        <Button kind="primary" disabled={restore.isPending} onClick={() => restore.mutate()}>
          Restore
        </Button>
      )}
      {operates && isStored(model) && !deleted && (
        <>
          <Button onClick={() => setOpen('bring')}>Bring to hosts</Button>
          <Button aria-pressed={model.pinned === true} disabled={pin.isPending} onClick={() => pin.mutate()}>
            {model.pinned === true ? 'Unpin' : 'Pin'}
          </Button>
          <Button onClick={() => setOpen('describe')}>Describe</Button>
        </>
      )}
      {operates && (
        <Button kind="danger" onClick={() => setOpen('delete')}>
          {deleted ? 'Delete for good' : 'Delete'}
        </Button>
      )}
      {open === 'bring' && <BringDialog model={model} onClose={close} />}
      {open === 'describe' && <DescribeDialog model={model} onClose={close} />}
      {open === 'delete' && <DeleteDialog model={model} onClose={close} />}
    </div>
  );
}
