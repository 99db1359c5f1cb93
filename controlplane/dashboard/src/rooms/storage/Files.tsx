import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ChangeEvent, useRef, useState } from 'react';

import { messageOf } from '../../api/client';
import { deleteFile, fileAddress, filesQuery, putFile } from '../../api/storage';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import form from '../../ui/form.module.css';
import { Failure, Loading } from '../../ui/Notice';
import room from '../../ui/room.module.css';
import { Table } from '../../ui/Table';
import { Time } from '../../ui/Time';
import { toast } from '../../ui/toasts';
import { bytes } from '../../ui/units';
import styles from './Storage.module.css';

/** The files of a storage, a folder at a time. */
export function Files({ storage, prefix, operates }: { storage: string; prefix: string; operates: boolean }) {
  const queries = useQueryClient();
  const files = useInfiniteQuery(filesQuery(storage, prefix));
  const [doomed, setDoomed] = useState<string>();
  const picker = useRef<HTMLInputElement>(null);
  const refresh = () => void queries.invalidateQueries({ queryKey: ['files', storage] });
  const upload = useMutation({
    mutationFn: async (picked: File[]) => {
      for (const file of picked) await putFile(storage, prefix + file.name, file);
      return picked.length;
    },
    onSuccess: (count) => toast(count === 1 ? 'The file is stored.' : `${count} files are stored.`),
    onSettled: refresh, // some may be stored before one failed
  });
  const pick = (event: ChangeEvent<HTMLInputElement>) => {
    const picked = [...(event.target.files ?? [])];
    event.target.value = ''; // the same file may be picked again
    if (picked.length > 0) upload.mutate(picked);
  };
  const shown = files.data?.pages.flatMap((page) => page.files) ?? [];

  return (
    <section aria-label={`Files of ${storage}`} className={room.room}>
      <div className={room.head}>
        <Trail storage={storage} prefix={prefix} />
        {operates && (
          <>
            <input ref={picker} type="file" multiple hidden aria-label="Files to upload" onChange={pick} />
            <Button disabled={upload.isPending} onClick={() => picker.current?.click()}>
              {upload.isPending ? 'Uploading…' : 'Upload files'}
            </Button>
          </>
        )}
      </div>
      {upload.isError && (
        <p role="alert" className={form.problem}>
          {messageOf(upload.error)}
        </p>
      )}
      {files.isError ? (
        <Failure error={files.error} onRetry={() => void files.refetch()} />
      ) : files.data === undefined ? (
        <Loading label="Loading the files" />
      ) : shown.length === 0 ? (
        <p className="quiet">Nothing is here.</p>
      ) : (
        <Table caption="Files" columns={['Name', 'Size', 'Modified']} actions={operates}>
          {shown.map((file) => (
            <tr key={file.path}>
              <td>
                {file.folder === true ? (
                  <Link to="/storage" search={{ name: storage, prefix: file.path }}>
                    {file.path.slice(prefix.length)}
                  </Link>
                ) : (
                  <a href={fileAddress(storage, file.path)} download>
                    {file.path.slice(prefix.length)}
                  </a>
                )}
              </td>
              <td className="number">{file.folder === true ? '' : bytes(file.size)}</td>
              <td>{file.modified !== '' && <Time at={file.modified} />}</td>
              {operates && (
                <td>
                  {file.folder !== true && (
                    <Button aria-label={`Delete ${file.path}`} onClick={() => setDoomed(file.path)}>
                      Delete
                    </Button>
                  )}
                </td>
              )}
            </tr>
          ))}
        </Table>
      )}
      {files.hasNextPage && (
        <p>
          <Button disabled={files.isFetchingNextPage} onClick={() => void files.fetchNextPage()}>
            More
          </Button>
        </p>
      )}
      {doomed !== undefined && <DeleteDialog storage={storage} path={doomed} onDone={refresh} onClose={() => setDoomed(undefined)} />}
    </section>
  );
}

/** The folders from the top to where we are. */
function Trail({ storage, prefix }: { storage: string; prefix: string }) {
  const names = prefix.split('/').slice(0, -1);
  return (
    <h2 className={styles.trail}>
      <Link to="/storage" search={{ name: storage }}>
        {storage}
      </Link>
      {names.map((name, i) => {
        const path = `${names.slice(0, i + 1).join('/')}/`;
        return (
          <span key={path}>
            {'/ '}
            <Link to="/storage" search={{ name: storage, prefix: path }}>
              {name}
            </Link>
          </span>
        );
      })}
    </h2>
  );
}

function DeleteDialog({ storage, path, onDone, onClose }: { storage: string; path: string; onDone: () => void; onClose: () => void }) {
  const remove = useMutation({
    mutationFn: () => deleteFile(storage, path),
    onSuccess: () => {
      onDone();
      toast('The file is deleted.');
      onClose();
    },
  });
  return (
    <Dialog
      title="Delete this file?"
      onClose={onClose}
      closeLabel="Cancel"
      actions={
        <Button kind="danger" disabled={remove.isPending} onClick={() => remove.mutate()}>
          {remove.isPending ? 'Deleting…' : 'Delete'}
        </Button>
      }
    >
      <p className={form.message}>{path}</p>
      {remove.isError && (
        <p role="alert" className={form.problem}>
          {messageOf(remove.error)}
        </p>
      )}
    </Dialog>
  );
}
