import styles from './Status.module.css';

export type Tone = 'good' | 'warn' | 'bad' | 'idle';

const marks: Record<Tone, string> = { good: '●', warn: '▲', bad: '■', idle: '○' };

/** A state: its shape and its word say what its colour says. */
export function Status({ tone, label }: { tone: Tone; label: string }) {
  return (
    <span className={styles.status}>
      <span aria-hidden className={styles[tone]}>
        {marks[tone]}
      </span>
      <span>{label}</span>
    </span>
  );
}
