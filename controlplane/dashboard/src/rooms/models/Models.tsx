import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { type MouseEvent, useDeferredValue, useMemo, useState } from 'react';

import { modelsQuery } from '../../api/queries';
import { may, sessionQuery } from '../../api/session';
import { defined } from '../../app/search';
import { Button } from '../../ui/Button';
import { DataTable } from '../../ui/DataTable';
import { Failure, Loading } from '../../ui/Notice';
import room from '../../ui/room.module.css';
import { Stale } from '../../ui/Stale';
import { columns } from './columns';
import styles from './Models.module.css';
import { NoModel, NothingFound } from './NoModel';
import { arranged, rowOf } from './rows';
import { SearchField } from './SearchField';
import { uploadRole } from './upload/carrier';
import { ImportDialog } from './upload/ImportDialog';
import type { Picked } from './upload/picked';
import { UploadDialog } from './upload/UploadDialog';
import { Uploads } from './upload/Uploads';
import { useDropped } from './upload/useDropped';
import { useGrowing } from './useGrowing';

/** The models of the fleet: what there is, and where. */
export function Models() {
  const { q = '', sort = 'name' } = useSearch({ from: '/inside/models' });
  const navigate = useNavigate({ from: '/models' });
  const models = useQuery(modelsQuery);
  const { data: session } = useQuery(sessionQuery);
  const rows = useMemo(() => (models.data ?? []).map(rowOf), [models.data]);
  const words = useDeferredValue(q);
  const found = useMemo(() => arranged(rows, words, sort), [rows, words, sort]);
  const { shown, end } = useGrowing(found, `${words} ${sort}`);
  const mayAsk = session === undefined || may(session.role, 'inference');
  const [picked, setPicked] = useState<Picked>(); // for an upload that is being asked for
  const [importing, setImporting] = useState(false);
  const mayUpload = session !== undefined && may(session.role, uploadRole);
  const held = useDropped(setPicked, mayUpload);
  const offered = useMemo(() => (mayAsk ? columns : columns.filter(({ id }) => id !== 'chat')), [mayAsk]);

  if (models.data === undefined) {
    if (models.isError) return <Failure error={models.error} onRetry={() => void models.refetch()} />;
    return <Loading label="Loading the models" />;
  }
  return (
    <div className={held ? `${room.room} ${styles.held}` : room.room}>
      <div className={room.head}>
        <h1>Models</h1>
        {rows.length > 0 && <SearchField value={q} onChange={(typed) => void navigate({ search: (now) => changed(now, 'q', typed), replace: true, resetScroll: false })} />}
        {rows.length > 0 && (
          <p className="quiet" role="status">
            {found.length === rows.length ? `${rows.length} in all` : `${found.length} of ${rows.length}`}
          </p>
        )}
        {mayUpload && (
          <span className={styles.upload}>
            <Button onClick={() => setImporting(true)}>Import from a storage</Button>
            <Button kind="primary" onClick={() => setPicked({ files: [], folder: '' })}>
              Upload a model
            </Button>
          </span>
        )}
      </div>
      {mayUpload && <Uploads />}
      {rows.length === 0 ? (
        <NoModel mayUpload={mayUpload} />
      ) : found.length === 0 ? (
        <NothingFound words={words} onClear={() => void navigate({ search: (now) => changed(now, 'q', ''), replace: true })} />
      ) : (
        // The names are the links; that a click beside one opens it as well is for the hand alone.
        <div className={styles.table} onClick={openRow}>
          <Stale>
            <DataTable
              caption="Models"
              columns={offered}
              data={shown}
              rowId={(row) => row.id}
              sort={sort}
              onSort={(chosen) => void navigate({ search: (now) => changed(now, 'sort', chosen === 'name' ? '' : chosen), replace: true, resetScroll: false })}
            />
          </Stale>
          {shown.length < found.length && (
            <p ref={end} className={styles.more}>
              {found.length - shown.length} more below
            </p>
          )}
        </div>
      )}
      {importing && <ImportDialog onClose={() => setImporting(false)} />}
      {picked !== undefined && <UploadDialog dropped={picked} onClose={() => setPicked(undefined)} />}
    </div>
  );
}

/** A search with another value; an empty one is left out of the address. */
function changed<T extends object>(search: T, key: 'q' | 'sort', value: string) {
  return defined({ ...search, [key]: value === '' ? undefined : value });
}

function openRow(event: MouseEvent<HTMLElement>): void {
  if (!(event.target instanceof Element) || event.target.closest('a, button, thead') || window.getSelection()?.isCollapsed === false) return;
  event.target.closest('tr')?.querySelector<HTMLElement>('[data-opens]')?.click();
}
