import { Link } from '@tanstack/react-router';

import { fileAddress } from '../../api/storage';
import type { ModelInfo } from '../../api/types.gen';
import { Table } from '../../ui/Table';
import { bytes, unknown } from '../../ui/units';
import styles from './ModelRoom.module.css';
import { shortDigest } from './versions';

/** The files of a model, and where they are kept. */
export function ModelFiles({ model }: { model: ModelInfo }) {
  const { files = [] } = model;
  return (
    <section aria-labelledby="model-files" className={styles.part}>
      <h2 id="model-files">Files</h2>
      {files.length === 0 ? (
        <p className="quiet">{whyNone(model)}</p>
      ) : (
        <Table caption="Files" columns={['Name', 'Size', 'Stored in', 'SHA-256']} actions={false}>
          {files.map(({ path, size, storage, key, sha256, borrowed }) => (
            <tr key={`${storage}/${key}`}>
              <td>
                <a href={fileAddress(storage, key)} download className={styles.link}>
                  {path}
                </a>
              </td>
              <td className="number">{bytes(size)}</td>
              <td>
                <Link to="/storage" search={{ name: storage }} className={styles.link}>
                  {storage}
                </Link>
                {borrowed === true && <span className="quiet"> was there before, and stays</span>}
              </td>
              <td>{sha256 === '' ? unknown : <code title={sha256}>{shortDigest(sha256)}</code>}</td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}

function whyNone({ status, residencies }: ModelInfo): string {
  if (status === 'uploading') return 'They are on their way.';
  if (residencies.length > 0) return 'None are in a storage: only hosts have this model.';
  return status === 'failed' ? 'None are kept: what came can’t be used.' : 'None are in a storage.';
}
