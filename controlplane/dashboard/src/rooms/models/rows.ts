import type { ModelInfo } from '../../api/types.gen';
import { compareNames } from '../../ui/names';

/** A host that has a model, once however many of its instances have it. */
export interface Holder {
  id: string;
  name: string;
  loaded: boolean;
}

/** A model as the list shows it. */
export interface ModelRow {
  id: string;
  name: string;
  status: ModelInfo['status'];
  /** How far what goes on with it is, in percent; null where nothing does. */
  progress: number | null;
  loadedOn: number;
  /** Those with the model in memory first, then by name. */
  holders: Holder[];
  digests: number;
  conflict: boolean;
  size: number;
  parameters: string | undefined;
  /** For sorting: "7.6B" as 7.6e9; undefined when it is not known. */
  parameterCount: number | undefined;
  quantization: string | undefined;
}

export function rowOf(model: ModelInfo): ModelRow {
  const holders = holdersOf(model);
  return {
    id: model.id,
    name: model.name,
    status: model.status,
    progress: model.progress,
    loadedOn: holders.filter(({ loaded }) => loaded).length,
    holders,
    digests: model.digests.length,
    conflict: model.conflict,
    size: model.size,
    parameters: parametersOf(model),
    parameterCount: model.parameter_count ?? parameterCount(model.parameter_size),
    quantization: model.quantization,
  };
}

function holdersOf({ residencies }: ModelInfo): Holder[] {
  const byHost = new Map<string, Holder>();
  for (const { host_id: id, host: name, status } of residencies) {
    const loaded = status === 'loaded' || byHost.get(id)?.loaded === true;
    byHost.set(id, { id, name, loaded });
  }
  return [...byHost.values()].sort((a, b) => Number(b.loaded) - Number(a.loaded) || compareNames(a.name, b.name));
}

/** How many parameters a model has, as an Ollama says it; that is only asked where a host has the model. */
export function parametersOf({ parameter_size: said, parameter_count: count }: Pick<ModelInfo, 'parameter_size' | 'parameter_count'>): string | undefined {
  if (said !== undefined || count === undefined) return said;
  if (count >= 1e9) return `${rounded(count / 1e9, 1)}B`;
  if (count >= 1e6) return `${rounded(count / 1e6, 2)}M`;
  return count >= 1e3 ? `${rounded(count / 1e3, 0)}K` : `${count}`;
}

function rounded(n: number, digits: number): string {
  return n.toFixed(Number.isInteger(n) ? 0 : digits);
}

const factors: Record<string, number> = { '': 1, K: 1e3, M: 1e6, B: 1e9, T: 1e12 };

/** The number that a size such as "494.03M" means; undefined when it means none. */
export function parameterCount(size: string | undefined): number | undefined {
  const found = /^(\d+(?:\.\d+)?)\s*([KMBT]?)$/i.exec(size?.trim() ?? '');
  if (found === null) return undefined;
  return Number(found[1]) * (factors[(found[2] ?? '').toUpperCase()] ?? 1);
}

type Order = (a: ModelRow, b: ModelRow) => number;

const orders: Record<string, Order> = {
  name: () => 0,
  status: (a, b) => Number(b.conflict) - Number(a.conflict) || b.loadedOn - a.loadedOn,
  parameters: (a, b) => known(a.parameterCount) - known(b.parameterCount),
  quantization: (a, b) => compareNames(a.quantization ?? '', b.quantization ?? ''),
  size: (a, b) => a.size - b.size,
  hosts: (a, b) => a.holders.length - b.holders.length,
};

/** What is not known comes before all that is. */
function known(value: number | undefined): number {
  return value ?? -1;
}

/** The order of a column; what is equal in it is in the order of names. */
export function orderOf(column: string): Order {
  const order = orders[column] ?? (() => 0);
  return (a, b) => order(a, b) || compareNames(a.name, b.name);
}

/** The rows whose name, quantisation or host has the words, in the order of a column ("-" before it: descending). */
export function arranged(rows: readonly ModelRow[], words: string, sort: string): ModelRow[] {
  const wanted = words.trim().toLowerCase();
  const found = wanted === '' ? [...rows] : rows.filter((row) => mentions(row, wanted));
  const order = orderOf(sort.replace(/^-/, ''));
  return found.sort(sort.startsWith('-') ? (a, b) => order(b, a) : order);
}

function mentions({ name, quantization = '', holders }: ModelRow, wanted: string): boolean {
  return name.toLowerCase().includes(wanted) || quantization.toLowerCase() === wanted || holders.some((host) => host.name.toLowerCase().includes(wanted));
}
