import { useNavigate, useSearch } from '@tanstack/react-router';

import { defined, oneOf } from '../../app/search';
import { hostStates } from '../../ui/hostStates';
import styles from './Fleet.module.css';
import { fleetStates } from './search';

/** Narrows down which hosts are shown. */
export function Filters({ found, of }: { found: number; of: number }) {
  const { q = '', state } = useSearch({ from: '/inside/fleet' });
  const navigate = useNavigate({ from: '/fleet' });
  const look = (wanted: string) => void navigate({ search: (search) => defined({ ...search, q: wanted || undefined }), replace: true });
  const choose = (wanted: string) => void navigate({ search: (search) => defined({ ...search, state: oneOf(fleetStates, wanted) }), replace: true });
  return (
    <div role="search" className={styles.filters}>
      <input
        type="search"
        className={styles.search}
        aria-label="Search hosts"
        placeholder="Name, label, model or state"
        value={q}
        onChange={(event) => look(event.target.value)}
      />
      <select aria-label="State" value={state ?? ''} onChange={(event) => choose(event.target.value)}>
        <option value="">Any state</option>
        {fleetStates.map((one) => (
          <option key={one} value={one}>
            {hostStates[one].label}
          </option>
        ))}
      </select>
      <span className="quiet number" role="status">
        {found === of ? `${of} ${of === 1 ? 'host' : 'hosts'}` : `${found} of ${of} hosts`}
      </span>
    </div>
  );
}
