import { useQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { useState } from 'react';

import { may, sessionQuery } from '../../api/session';
import { storagesQuery } from '../../api/storage';
import type { Storage } from '../../api/types.gen';
import { Button } from '../../ui/Button';
import form from '../../ui/form.module.css';
import { Failure, Loading } from '../../ui/Notice';
import room from '../../ui/room.module.css';
import { Status, type Tone } from '../../ui/Status';
import { Table } from '../../ui/Table';
import { Files } from './Files';
import { RemoveDialog } from './RemoveDialog';
import styles from './Storage.module.css';
import { StorageForm } from './StorageForm';

const tones: Record<Storage['status'], Tone> = { ready: 'good', degraded: 'warn', failed: 'bad', starting: 'idle', disabled: 'idle' };

/** The places where files are kept, and the files of one of them. */
export function StorageRoom() {
  const { name, prefix = '' } = useSearch({ from: '/inside/storage' });
  const storages = useQuery(storagesQuery);
  const { data: session } = useQuery(sessionQuery);
  const [asked, setAsked] = useState<{ change?: Storage; remove?: Storage; add?: true }>({});
  const operates = session !== undefined && may(session.role, 'operator');
  const close = () => setAsked({});

  if (storages.data === undefined) {
    if (storages.isError) return <Failure error={storages.error} onRetry={() => void storages.refetch()} />;
    return <Loading label="Loading the storages" />;
  }
  const there = storages.data.find((one) => one.name === name);
  return (
    <div className={room.room}>
      <div className={room.head}>
        <h1>Storage</h1>
        {operates && <Button onClick={() => setAsked({ add: true })}>Add a storage</Button>}
      </div>
      <Table caption="Storages" columns={['Name', 'State', 'Plugin', 'Address']} actions={operates}>
        {storages.data.map((one) => (
          <tr key={one.name}>
            <td>
              <Link to="/storage" search={{ name: one.name }}>
                {one.name}
              </Link>
            </td>
            <td>
              <Status tone={tones[one.status]} label={one.status} />
              {one.message !== '' && <p className={form.message}>{one.message}</p>}
            </td>
            <td>{one.plugin}</td>
            <td>{one.address}</td>
            {operates && (
              <td>
                {one.origin === 'file' ? (
                  <span className={form.message}>Set in {one.set_in}</span>
                ) : (
                  <div className={styles.actions}>
                    <Button aria-label={`Change ${one.name}`} onClick={() => setAsked({ change: one })}>
                      Change
                    </Button>
                    {one.origin === 'saved' && (
                      <Button aria-label={`Remove ${one.name}`} onClick={() => setAsked({ remove: one })}>
                        Remove
                      </Button>
                    )}
                  </div>
                )}
              </td>
            )}
          </tr>
        ))}
      </Table>
      {name !== undefined && <Files key={name} storage={name} prefix={prefix} operates={operates && there?.read_only !== true} />}
      {(asked.add === true || asked.change !== undefined) && <StorageForm before={asked.change} onClose={close} />}
      {asked.remove !== undefined && <RemoveDialog storage={asked.remove} onClose={close} />}
    </div>
  );
}
