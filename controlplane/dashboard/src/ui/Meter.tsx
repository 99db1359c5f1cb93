import styles from './Meter.module.css';
import { percent, unknown } from './units';

interface Props {
  label: string;
  /** 0 to 100; undefined when it is not known. */
  value: number | undefined;
  /** What stands beside the bar; the share itself unless told otherwise. */
  text?: string;
  /** From which share on it is a warning, and from which on it is bad. */
  warnAt?: number;
  badAt?: number;
}

/** A share as a bar with its number. */
export function Meter({ label, value, text, warnAt = 85, badAt = 95 }: Props) {
  const tone = value === undefined || value < warnAt ? 'calm' : value < badAt ? 'warn' : 'bad';
  return (
    <span
      className={styles.meter}
      {...(value === undefined
        ? { role: 'img', 'aria-label': `${label}: not known` } // a meter has to have a value
        : { role: 'meter', 'aria-label': label, 'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-valuenow': Math.round(value), 'aria-valuetext': text ?? percent(value) })}
    >
      <span className={styles.track} aria-hidden>
        <span className={`${styles.bar} ${styles[tone]}`} style={{ transform: `scaleX(${(value ?? 0) / 100})` }} />
      </span>
      <span className={`${styles.text} number`} aria-hidden>
        {value === undefined ? unknown : (text ?? percent(value))}
      </span>
    </span>
  );
}
