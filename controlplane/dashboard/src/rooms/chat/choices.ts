import type { ModelInfo } from '../../api/types.gen';
import { compareNames } from '../../ui/names';

/** A model that can be talked to. */
export interface Choice {
  name: string;
  loaded: boolean;
  size: number;
  /** The hosts that have it, those first that have it in memory. */
  hosts: string[];
}

/** The models that can be talked to: those in memory first, then by name. */
export function choicesOf(models: readonly ModelInfo[]): Choice[] {
  return models
    .map(({ name, status, size, residencies }) => {
      const ready = residencies.filter((one) => one.status === 'loaded').map(({ host }) => host);
      const hosts = [...new Set([...ready.sort(compareNames), ...residencies.map(({ host }) => host).sort(compareNames)])];
      return { name, loaded: status === 'loaded', size, hosts };
    })
    .sort((a, b) => Number(b.loaded) - Number(a.loaded) || compareNames(a.name, b.name));
}

/** The choice that a name stands for, which may leave out "latest". */
export function choiceOf(choices: readonly Choice[], name: string): Choice | undefined {
  const [plain = ''] = name.split('@sha256:');
  return choices.find((one) => one.name === plain || one.name === `${plain}:latest`);
}

/** Names in a few words: "a, b and 10 more". */
export function fewOf(names: readonly string[], most = 2): string {
  const shown = names.slice(0, most).join(', ');
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}
