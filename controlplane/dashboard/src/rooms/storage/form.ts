/** A field of a plugin's configuration, as a form shows it. */
export interface Field {
  /** Its keys from the outermost section, joined by dots. */
  path: string;
  kind: 'text' | 'secret' | 'number' | 'switch' | 'json';
  help: string;
  /** What holds where nothing is said. */
  fallback: string;
}

type Raw = Record<string, unknown>;

function isObject(value: unknown): value is Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The fields of a JSON Schema, those of sections in it too, in their order. */
export function fieldsOf(schema: unknown, prefix = ''): Field[] {
  const properties = isObject(schema) && isObject(schema['properties']) ? schema['properties'] : {};
  return Object.entries(properties).flatMap(([name, property]) => {
    if (!isObject(property)) return [];
    const path = prefix + name;
    if (isObject(property['properties'])) return fieldsOf(property, `${path}.`);
    const fallback = property['default'];
    return [
      {
        path,
        kind: kindOf(property),
        help: typeof property['description'] === 'string' ? property['description'] : '',
        fallback: fallback === undefined ? '' : written(fallback),
      },
    ];
  });
}

function kindOf(property: Raw): Field['kind'] {
  if (property['writeOnly'] === true) return 'secret';
  switch (property['type']) {
    case 'boolean':
      return 'switch';
    case 'integer':
    case 'number':
      return 'number';
    case 'array':
    case 'object':
      return 'json';
  }
  return 'text';
}

/** A value as it stands in a field of text. */
function written(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What stands in each field, by its path. */
export type Values = Readonly<Record<string, string>>;

/** The values of a configuration. */
export function valuesOf(fields: readonly Field[], config: unknown): Values {
  const values: Record<string, string> = {};
  for (const { path } of fields) {
    let value = config;
    for (const key of path.split('.')) value = isObject(value) ? value[key] : undefined;
    if (value !== undefined) values[path] = written(value);
  }
  return values;
}

/**
 * The configuration that values make. What is empty is left out, and what can't be
 * read is sent as it is: the control plane says what is wrong with it.
 */
export function configOf(fields: readonly Field[], values: Values): Raw {
  const config: Raw = {};
  for (const { path, kind } of fields) {
    const typed = values[path];
    if (typed === undefined || typed === '') continue;
    const keys = path.split('.');
    let section = config;
    for (const key of keys.slice(0, -1)) section = (section[key] ??= {}) as Raw;
    section[keys.at(-1) ?? path] = kind === 'text' || kind === 'secret' ? typed : parsed(typed);
  }
  return config;
}

function parsed(typed: string): unknown {
  try {
    return JSON.parse(typed) as unknown;
  } catch {
    return typed;
  }
}
