import { useEffect, useState } from 'react';

import styles from './Models.module.css';

/** After how long a pause in typing the address follows, in milliseconds. */
const pauseMs = 120;

/** A field to search by, which follows the address and is followed by it. */
export function SearchField({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const [typed, setTyped] = useState(value);
  const [told, setTold] = useState(value);
  if (value !== told) {
    // The address was changed elsewhere, such as by going back.
    setTold(value);
    setTyped(value);
  }
  useEffect(() => {
    if (typed === told) return;
    const timer = setTimeout(() => {
      setTold(typed);
      onChange(typed);
    }, pauseMs);
    return () => clearTimeout(timer);
  }, [typed, told, onChange]);
  return (
    <input
      type="search"
      className={styles.search}
      aria-label="Search by name, quantisation or host"
      placeholder="Name, quantisation or host"
      value={typed}
      onChange={(event) => setTyped(event.target.value)}
    />
  );
}
