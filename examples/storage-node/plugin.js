// What a plugin of every kind does: says what it is, checks configurations, opens and
// closes instances of them.
import path from 'node:path';
import { canceled, explained, invalid, notFound } from './errors.js';
import { Directory } from './directory.js';

// The capabilities that Open tells, as the comment in storage.proto lists them.
const CREATE = 2;
const SWEEP = 64;

const description = {
  kind: 'storage',
  name: 'node',
  version: '0.1.0',
  publisher: 'an example',
  summary: 'Keeps objects as files of one directory.',
  protocols: [1],
  config_version: 1, // a new one when an older configuration would not do any more
  config_schema: {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    additionalProperties: false,
    properties: { directory: { type: 'string', description: 'where the objects are kept, an absolute path' } },
  },
  secrets: [],
};

/** faultsOf returns what is wrong with a configuration, by its fields. */
function faultsOf(config) {
  if (config?.version > description.config_version) {
    return { faults: [{ field: '', message: 'the configuration was saved for a newer version of the plugin' }] };
  }
  let values;
  try {
    values = JSON.parse(config?.json?.length ? config.json.toString() : '{}');
  } catch {
    return { faults: [{ field: '', message: 'is not JSON' }] };
  }
  const faults = [];
  for (const field of [...Object.keys(values), ...Object.keys(config?.secrets ?? {})]) {
    if (!(field in description.config_schema.properties)) faults.push({ field, message: 'unknown key; known here: directory' });
  }
  if (typeof values.directory !== 'string' || !path.isAbsolute(values.directory)) {
    faults.push({ field: 'directory', message: 'has to be an absolute path, such as /srv/models' });
  }
  return { faults, values };
}

/** Plugin has the instances that are open. */
export class Plugin {
  #instances = new Map();
  #handles = 0;

  /** find returns the directory of an instance. */
  find(instance) {
    return this.#open(instance).directory;
  }

  #open(instance) {
    const found = this.#instances.get(instance);
    if (!found) throw notFound(`there is no instance "${instance}"`);
    return found;
  }

  /** during runs a call that takes long; end is called when its instance is closed meanwhile. */
  async during(instance, end, run) {
    const { calls } = this.#open(instance);
    calls.add(end);
    return run().finally(() => calls.delete(end));
  }

  /** service implements corral.plugin.v1.PluginService. */
  service() {
    return {
      Describe: unary(() => ({ description_json: Buffer.from(JSON.stringify(description)) })),
      Check: unary(async ({ config, online }) => {
        const { faults, values } = faultsOf(config);
        if (faults.length === 0 && online) await (await Directory.open(values.directory)).check();
        return { faults };
      }),
      Open: unary(async ({ config }) => {
        const { faults, values } = faultsOf(config);
        if (faults.length > 0) throw invalid(faults.map((f) => `${f.field}: ${f.message}`).join('; '));
        const instance = String(++this.#handles);
        this.#instances.set(instance, { directory: await Directory.open(values.directory), calls: new Set() });
        return { instance, capabilities: CREATE | SWEEP };
      }),
      Close: unary(({ instance }) => {
        const calls = this.#instances.get(instance)?.calls ?? [];
        this.#instances.delete(instance);
        for (const end of calls) end(canceled('the instance was closed'));
        return {};
      }),
      Health: unary(async ({ instance }) => {
        if (instance) await this.find(instance).check();
        return {};
      }),
    };
  }
}

/** unary makes a method of gRPC of a function that returns the answer or throws. */
export function unary(answer) {
  return (call, callback) => {
    Promise.resolve()
      .then(() => answer(call.request))
      .then(
        (response) => callback(null, response),
        (err) => callback(explained(err)),
      );
  };
}
