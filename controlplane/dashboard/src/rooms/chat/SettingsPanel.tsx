import { useId } from 'react';

import { Button } from '../../ui/Button';
import { noSettings, numerics, type Problems, type Settings } from './settings';
import styles from './SettingsPanel.module.css';

interface Props {
  settings: Settings;
  problems: Problems;
  onChange: (settings: Settings) => void;
}

/** What a conversation asks of its model beside the questions. */
export function SettingsPanel({ settings, problems, onChange }: Props) {
  const change = (key: keyof Settings) => (value: string) => onChange({ ...settings, [key]: value });
  return (
    <div className={styles.panel}>
      <h2>Settings</h2>
      <p className="quiet">What is empty is as the model has it. They count from the next answer on.</p>
      <Field label="System prompt" value={settings.system} rows={4} onChange={change('system')} />
      <div className={styles.numbers}>
        {numerics.map(({ key, label, hint, whole, least }) => (
          <Field
            key={key}
            label={label}
            hint={hint}
            value={settings[key]}
            problem={problems[key]}
            inputMode={least < 0 ? 'text' : whole ? 'numeric' : 'decimal'}
            onChange={change(key)}
          />
        ))}
      </div>
      <Field label="Stop at" hint="one text a line; \n stands for a line's end" value={settings.stop} problem={problems.stop} rows={2} onChange={change('stop')} />
      <Button disabled={settings === noSettings} onClick={() => onChange(noSettings)}>
        Empty all
      </Button>
    </div>
  );
}

interface FieldProps {
  label: string;
  hint?: string;
  value: string;
  problem?: string | undefined;
  /** More than one makes it a field of several lines. */
  rows?: number;
  inputMode?: 'text' | 'numeric' | 'decimal';
  onChange: (value: string) => void;
}

function Field({ label, hint, value, problem, rows, inputMode, onChange }: FieldProps) {
  const id = useId();
  const shared = {
    id,
    value,
    'aria-invalid': problem !== undefined,
    'aria-describedby': `${id}-hint`,
    spellCheck: rows !== undefined,
    onChange: (event: { target: { value: string } }) => onChange(event.target.value),
  };
  return (
    <div className={styles.field}>
      <label htmlFor={id}>{label}</label>
      {rows === undefined ? <input {...shared} type="text" inputMode={inputMode} autoComplete="off" placeholder="the model's own" /> : <textarea {...shared} rows={rows} />}
      <span id={`${id}-hint`} className={problem ? styles.problem : styles.hint} role={problem ? 'alert' : undefined}>
        {problem ?? hint}
      </span>
    </div>
  );
}
