import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type SubmitEvent, useId, useState } from 'react';

import { ApiError, messageOf } from '../../api/client';
import { changeStorage, createStorage, pluginQuery, pluginsQuery, storagesQuery } from '../../api/storage';
import type { Storage } from '../../api/types.gen';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import form from '../../ui/form.module.css';
import { toast } from '../../ui/toasts';
import { configOf, type Field, fieldsOf, type Values, valuesOf } from './form';

/** Asks for a storage, or for what is to be another way with one, by the form of its plugin. */
export function StorageForm({ before, onClose }: { before: Storage | undefined; onClose: () => void }) {
  const queries = useQueryClient();
  const id = useId();
  const [name, setName] = useState(before?.name ?? '');
  const [plugin, setPlugin] = useState(before?.plugin ?? '');
  const [typed, setTyped] = useState<Values>({});
  const plugins = useQuery(pluginsQuery);
  const same = before?.plugin === plugin ? before : undefined;
  const about = useQuery(pluginQuery(plugin, same?.config_version));
  const fields = fieldsOf(about.data?.config_schema);
  const values = { ...valuesOf(fields, same?.config), ...typed };
  const version = same?.config_version ?? about.data?.config_version ?? 1;
  const save = useMutation({
    mutationFn: () => (before ? changeStorage : createStorage)({ name, plugin, config: configOf(fields, values), config_version: version }),
    onSuccess: (saved) => {
      void queries.invalidateQueries({ queryKey: storagesQuery.queryKey });
      toast(`${saved.name} is saved.`);
      onClose();
    },
  });
  const faults = save.error instanceof ApiError ? save.error.fields : [];
  const faultOf = (path: string) => faults.find(({ field }) => field === path || field.startsWith(`${path}[`))?.message ?? '';
  const beside = new Set(['name', 'plugin', ...fields.map(({ path }) => `config.${path}`)]);
  const rest = faults.filter(({ field }) => !beside.has(field)).map(({ message }) => message);
  const known = (plugins.data ?? []).filter((one) => one.kind === 'storage').map((one) => one.name);

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    save.mutate();
  };

  return (
    <Dialog
      title={before ? `Change ${before.name}` : 'Add a storage'}
      onClose={onClose}
      closeLabel="Cancel"
      actions={
        <Button kind="primary" type="submit" form={id} disabled={save.isPending}>
          {save.isPending ? 'Checking…' : 'Save'}
        </Button>
      }
    >
      <form id={id} className={form.form} onSubmit={submit}>
        {!before && <Input label="Name" help="lower case letters, digits and dashes" value={name} fault={faultOf('name')} onChange={setName} />}
        <label className={form.field}>
          Plugin
          <select value={plugin} onChange={(event) => setPlugin(event.target.value)}>
            <option value="">Choose one</option>
            {known.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        {faultOf('plugin') !== '' && <p className={form.problem}>{faultOf('plugin')}</p>}
        {about.isError && <p className={form.problem}>{messageOf(about.error)}</p>}
        {fields.map((field) => (
          <ConfigInput
            key={field.path}
            field={field}
            value={values[field.path]}
            fault={faultOf(`config.${field.path}`)}
            onChange={(value) => setTyped((now) => ({ ...now, [field.path]: value }))}
          />
        ))}
        {save.isError && (
          <p role="alert" className={form.problem}>
            {faults.length === 0 ? messageOf(save.error) : rest.length > 0 ? rest.join(' ') : 'It was not saved: see the fields.'}
          </p>
        )}
      </form>
    </Dialog>
  );
}

interface ConfigProps {
  field: Field;
  value: string | undefined;
  fault: string;
  onChange: (value: string) => void;
}

function ConfigInput({ field: { path, kind, help, fallback }, value, fault, onChange }: ConfigProps) {
  if (kind === 'switch') {
    return (
      <label className={form.field}>
        {path}
        <select value={value ?? ''} onChange={(event) => onChange(event.target.value)}>
          <option value="">{fallback === 'true' ? 'yes, by default' : 'no, by default'}</option>
          <option value="true">yes</option>
          <option value="false">no</option>
        </select>
        <span className={form.message}>{help}</span>
      </label>
    );
  }
  return <Input label={path} help={help} value={value ?? ''} placeholder={fallback} fault={fault} secret={kind === 'secret'} onChange={onChange} />;
}

interface InputProps {
  label: string;
  help: string;
  value: string;
  fault: string;
  placeholder?: string;
  secret?: boolean;
  onChange: (value: string) => void;
}

function Input({ label, help, value, fault, placeholder, secret = false, onChange }: InputProps) {
  const id = useId();
  return (
    <div className={form.field}>
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        type={secret ? 'password' : 'text'}
        autoComplete="off"
        value={value}
        placeholder={placeholder}
        aria-describedby={`${id}-help`}
        aria-invalid={fault !== ''}
        onChange={(event) => onChange(event.target.value)}
      />
      <span id={`${id}-help`}>
        {fault !== '' && <span className={form.problem}>{fault} </span>}
        <span className={form.message}>{help}</span>
      </span>
    </div>
  );
}
