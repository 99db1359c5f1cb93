import { useMutation, useQueryClient } from '@tanstack/react-query';

import { messageOf } from '../../api/client';
import { removeStorage, storagesQuery } from '../../api/storage';
import type { Storage } from '../../api/types.gen';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import form from '../../ui/form.module.css';
import { toast } from '../../ui/toasts';

/** Asks whether a storage shall be forgotten. */
export function RemoveDialog({ storage, onClose }: { storage: Storage; onClose: () => void }) {
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => removeStorage(storage.name),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: storagesQuery.queryKey });
      toast(`${storage.name} is forgotten.`);
      onClose();
    },
  });
  return (
    <Dialog
      title={`Forget ${storage.name}?`}
      onClose={onClose}
      closeLabel="Cancel"
      actions={
        <Button kind="danger" disabled={remove.isPending} onClick={() => remove.mutate()}>
          {remove.isPending ? 'Asking…' : 'Forget'}
        </Button>
      }
    >
      <p>Its configuration is deleted. Its files stay where they are.</p>
      {remove.isError && (
        <p role="alert" className={form.problem}>
          {messageOf(remove.error)}
        </p>
      )}
    </Dialog>
  );
}
