import { useMutation } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';

import { messageOf } from '../../api/client';
import { restartInstance } from '../../api/queries';
import type { Host, Instance } from '../../api/types.gen';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import { instanceStates } from '../../ui/hostStates';
import { Status } from '../../ui/Status';
import { toast } from '../../ui/toasts';
import styles from './Actions.module.css';
import { UnderWay } from './DrainDialog';

/** Asks whether an Ollama shall be restarted, and then shows how it comes back. */
export function RestartDialog({ host, instance, onClose }: { host: Host; instance: Instance; onClose: () => void }) {
  const open = useRef(false);
  useEffect(() => {
    open.current = true;
    return () => {
      open.current = false;
    };
  }, []);
  const restart = useMutation({
    mutationFn: () => restartInstance(host.id, instance.name),
    // Who closed the dialog meanwhile is told elsewhere.
    onSuccess: () => {
      if (!open.current) toast(`Ollama on ${host.name} was restarted.`);
    },
    onError: (error) => {
      if (!open.current) toast(messageOf(error), 'bad');
    },
  });
  const back = restart.isSuccess && instance.state === 'ready';
  const { tone, label } = instanceStates[instance.state];
  return (
    <Dialog
      title={`Restart Ollama on ${host.name}?`}
      onClose={onClose}
      closeLabel={restart.isIdle || restart.isError ? 'Cancel' : 'Close'}
      actions={
        !restart.isSuccess && (
          <Button kind="danger" disabled={restart.isPending} onClick={() => restart.mutate()}>
            {restart.isPending ? 'Restarting…' : restart.isError ? 'Try again' : 'Restart'}
          </Button>
        )
      }
    >
      {restart.isIdle && (
        <>
          <p>Requests under way on it break off with an error. Loaded models leave the memory, and are loaded again when they are next asked for.</p>
          <UnderWay id={host.id} />
          {!host.draining && <p className="quiet">To spare the requests, drain the host first and wait until none is under way.</p>}
        </>
      )}
      <p aria-live="polite">
        {restart.isPending && 'It is being restarted. This takes some seconds; the dialog can be closed meanwhile. '}
        {back && 'It is back. '}
        {restart.isSuccess && !back && 'It was restarted, and is not ready yet. '}
        <Status tone={tone} label={`Ollama ${instance.version ?? ''} is ${label.toLowerCase()}`} />
      </p>
      {restart.isError && (
        <p role="alert" className={styles.problem}>
          {messageOf(restart.error)}
        </p>
      )}
    </Dialog>
  );
}
