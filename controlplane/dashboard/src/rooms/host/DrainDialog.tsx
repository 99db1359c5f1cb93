import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';

import { messageOf } from '../../api/client';
import { drainHost, hostsQuery } from '../../api/queries';
import type { Host } from '../../api/types.gen';
import { useHostMetric } from '../../live/store';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import { toast } from '../../ui/toasts';
import styles from './Actions.module.css';

/** Asks whether a host shall get no new requests, or get them again. */
export function DrainDialog({ host, onClose }: { host: Host; onClose: () => void }) {
  const [drain] = useState(!host.draining); // what was asked for stays, whatever others do meanwhile
  const queries = useQueryClient();
  const change = useMutation({
    mutationFn: () => drainHost(host.id, drain),
    onSuccess: (changed) => {
      queries.setQueryData(hostsQuery.queryKey, (hosts) => hosts?.map((one) => (one.id === changed.id ? changed : one)));
      toast(drain ? `${host.name} gets no new requests.` : `${host.name} gets requests again.`);
      onClose();
    },
  });
  return (
    <Dialog
      title={drain ? `Drain ${host.name}?` : `Let requests come to ${host.name} again?`}
      onClose={onClose}
      closeLabel="Cancel"
      actions={
        <Button kind="primary" disabled={change.isPending} onClick={() => change.mutate()}>
          {change.isPending ? 'Asking…' : drain ? 'Drain' : 'Let them come'}
        </Button>
      }
    >
      {drain ? (
        <>
          <p>New requests go to other hosts. What is under way here is answered to its end, and models stay loaded.</p>
          <UnderWay id={host.id} />
        </>
      ) : (
        <p>The host is chosen for new requests like any other.</p>
      )}
      {change.isError && (
        <p role="alert" className={styles.problem}>
          {messageOf(change.error)}
        </p>
      )}
    </Dialog>
  );
}

/** Says how many requests are being answered by a host now. */
export function UnderWay({ id }: { id: string }) {
  const count = useHostMetric(id)?.in_flight;
  if (count === undefined) return <p>How many requests are under way is not known.</p>;
  return <p aria-live="polite">{count === 0 ? 'No request is under way.' : `${count} ${count === 1 ? 'request is' : 'requests are'} under way.`}</p>;
}
