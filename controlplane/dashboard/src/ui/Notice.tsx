import type { ReactNode } from 'react';

import { ApiError, messageOf } from '../api/client';
import { Button } from './Button';
import styles from './Notice.module.css';

interface Props {
  title: string;
  children?: ReactNode;
  tone?: 'plain' | 'warn' | 'bad';
}

/** Says what there is instead of what was looked for: nothing yet, an error, a refusal. */
export function Notice({ title, children, tone = 'plain' }: Props) {
  return (
    <section className={`${styles.notice} ${styles[tone]}`} role={tone === 'bad' ? 'alert' : undefined}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

/** Says why something could not be shown, and offers to try again where that may help. */
export function Failure({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const code = error instanceof ApiError ? error.code : '';
  const title =
    code === 'forbidden' ? 'Not yours to see' : code === 'not_found' ? 'Not there' : code === 'unreachable' ? 'Offline' : 'That did not work';
  return (
    <Notice title={title} tone={code === 'forbidden' || code === 'not_found' ? 'warn' : 'bad'}>
      <p>{messageOf(error)}</p>
      {onRetry && code !== 'forbidden' && (
        <p>
          <Button onClick={onRetry}>Try again</Button>
        </p>
      )}
    </Notice>
  );
}

/** Holds the place of what is being loaded. It appears only when that takes a while. */
export function Loading({ label = 'Loading' }: { label?: string }) {
  return (
    <div className={styles.loading} role="status">
      <span className="visually-hidden">{label}…</span>
      <span aria-hidden className={styles.bar} />
      <span aria-hidden className={styles.bar} />
      <span aria-hidden className={styles.bar} />
    </div>
  );
}
