import { useQuery } from '@tanstack/react-query';
import { useId } from 'react';

import { allHosts, type Placing } from '../../api/models';
import { hostsQuery } from '../../api/queries';
import form from '../../ui/form.module.css';
import { hostStates } from '../../ui/hostStates';
import { compareNames } from '../../ui/names';
import styles from './HostChoice.module.css';
import { labelsIn } from './labels';

export type Way = 'none' | 'best' | 'named' | 'labels' | 'all';

/** Which hosts somebody chose, and what was typed for the ways that were not taken. */
export interface Chosen {
  way: Way;
  named: readonly string[]; // ids
  count: string;
  labels: string;
  most: string; // how many of those with the labels; empty is all
}

export const nothingChosen: Chosen = { way: 'best', named: [], count: '1', labels: '', most: '' };

const words: Record<Way, string> = {
  none: 'No host for now',
  best: 'Where it fits best',
  named: 'These hosts',
  labels: 'Hosts with labels',
  all: 'Every host, also those that are yet to join',
};

/** What a choice asks for, or what is missing in it. */
export function placingOf({ way, named, count, labels, most }: Chosen): Placing | string {
  switch (way) {
    case 'none':
      return {};
    case 'all':
      return { hosts: [allHosts] };
    case 'named':
      return named.length === 0 ? 'Choose a host.' : { hosts: [...named] };
    case 'best': {
      const hosts = wholeNumber(count);
      return hosts === undefined ? 'Say on how many hosts.' : { count: hosts };
    }
    case 'labels': {
      const wanted = labelsIn(labels);
      if (typeof wanted === 'string') return wanted;
      if (Object.keys(wanted).length === 0) return 'Name a label.';
      if (most.trim() === '') return { labels: wanted };
      const hosts = wholeNumber(most);
      return hosts === undefined ? 'Say on how many of them, or leave it empty for all.' : { labels: wanted, count: hosts };
    }
  }
}

function wholeNumber(text: string): number | undefined {
  const n = Number(text);
  return Number.isInteger(n) && n > 0 ? n : undefined;
}

interface Props {
  legend: string;
  ways: readonly Way[];
  value: Chosen;
  onChange: (value: Chosen) => void;
  /** What is to be said of a host beside its name. */
  note?: (id: string) => string;
}

/** Asks which hosts are meant. */
export function HostChoice({ legend, ways, value, onChange, note }: Props) {
  const id = useId();
  return (
    <fieldset className={styles.choice}>
      <legend>{legend}</legend>
      {ways.map((way) => (
        <div key={way} className={styles.way}>
          <label className={styles.option}>
            <input type="radio" name={id} checked={value.way === way} onChange={() => onChange({ ...value, way })} />
            {words[way]}
          </label>
          {value.way === way && way === 'best' && (
            <label className={styles.more}>
              On how many hosts{' '}
              <input type="number" min={1} className={styles.count} value={value.count} onChange={(event) => onChange({ ...value, count: event.target.value })} />
            </label>
          )}
          {value.way === way && way === 'labels' && (
            <div className={`${form.field} ${styles.more}`}>
              <input
                type="text"
                aria-label="Labels"
                aria-describedby={`${id}-labels`}
                placeholder="gpu=h100, site=west"
                value={value.labels}
                onChange={(event) => onChange({ ...value, labels: event.target.value })}
              />
              <span id={`${id}-labels`} className={form.message}>
                Those that have each of these now. name=value, with commas between them.
              </span>
              <label className={styles.most}>
                On how many of them, where it fits best{' '}
                <input
                  type="number"
                  min={1}
                  className={styles.count}
                  placeholder="all"
                  value={value.most}
                  onChange={(event) => onChange({ ...value, most: event.target.value })}
                />
              </label>
            </div>
          )}
          {value.way === way && way === 'named' && (
            <HostList chosen={value.named} onChange={(named) => onChange({ ...value, named })} {...(note !== undefined && { note })} />
          )}
        </div>
      ))}
    </fieldset>
  );
}

interface ListProps {
  chosen: readonly string[];
  onChange: (chosen: string[]) => void;
  /** Which hosts there are to choose from, by their ids; all where it is left out. */
  among?: readonly string[];
  note?: (id: string) => string;
}

/** Hosts to tick. */
export function HostList({ chosen, onChange, among, note }: ListProps) {
  const { data = [] } = useQuery(hostsQuery);
  const hosts = data.filter(({ id }) => among === undefined || among.includes(id)).sort((a, b) => compareNames(a.name, b.name));
  if (hosts.length === 0) return <p className={`${styles.more} quiet`}>There is no host.</p>;
  return (
    <ul className={styles.hosts} aria-label="Hosts">
      {hosts.map(({ id, name, state }) => (
        <li key={id}>
          <label className={styles.option}>
            <input
              type="checkbox"
              checked={chosen.includes(id)}
              onChange={(event) => onChange(event.target.checked ? [...chosen, id] : chosen.filter((one) => one !== id))}
            />
            <span className={styles.name}>{name}</span>
            {state !== 'online' && <span className={form.message}>{hostStates[state].label}</span>}
            {note !== undefined && <span className={form.message}>{note(id)}</span>}
          </label>
        </li>
      ))}
    </ul>
  );
}
