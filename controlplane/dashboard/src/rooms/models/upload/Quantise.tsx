import { useId } from 'react';

import { quantisations } from '../../../api/models';
import form from '../../../ui/form.module.css';

/** Asks what hosts are to make of a model's weights. */
export function Quantise({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const id = useId();
  return (
    <div className={form.field}>
      <label htmlFor={id}>Quantise</label>
      <select id={id} aria-describedby={`${id}-help`} value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="">Leave it as it is</option>
        {quantisations.map((one) => (
          <option key={one}>{one}</option>
        ))}
      </select>
      <span id={`${id}-help`} className={form.message}>
        Each host does it when it gets the model. It takes weights of 16 or 32 bits.
      </span>
    </div>
  );
}
