import type { Options } from '../../api/chat';

/** What a conversation asks of its model, as it was typed. Empty means the model's own. */
export interface Settings {
  system: string;
  temperature: string;
  top_p: string;
  top_k: string;
  num_ctx: string;
  num_predict: string;
  seed: string;
  /** One text a line, with \n for a line's end. */
  stop: string;
}

export const noSettings: Settings = {
  system: '',
  temperature: '',
  top_p: '',
  top_k: '',
  num_ctx: '',
  num_predict: '',
  seed: '',
  stop: '',
};

interface Numeric {
  key: Exclude<keyof Settings, 'system' | 'stop'>;
  label: string;
  hint: string;
  least: number;
  most: number;
  whole: boolean;
}

const int32Max = 2 ** 31 - 1;

/** The parameters that are numbers, and what each may be. */
export const numerics: readonly Numeric[] = [
  { key: 'temperature', label: 'Temperature', hint: '0 is the same each time; higher is more varied', least: 0, most: 100, whole: false },
  { key: 'top_p', label: 'Top p', hint: 'share of likely tokens to choose from, 0 to 1', least: 0, most: 1, whole: false },
  { key: 'top_k', label: 'Top k', hint: 'number of likely tokens to choose from; 0 is all', least: 0, most: int32Max, whole: true },
  { key: 'num_ctx', label: 'Context', hint: 'tokens that the model sees; more takes more memory', least: 1, most: int32Max, whole: true },
  { key: 'num_predict', label: 'Longest answer', hint: 'in tokens; -1 is no limit', least: -2, most: int32Max, whole: true },
  { key: 'seed', label: 'Seed', hint: 'the same seed gives the same answer', least: -int32Max, most: int32Max, whole: true },
];

/** Most models look for a handful; a list that is longer slows each token down. */
const stopLimit = 16;

export type Problems = Partial<Record<keyof Settings, string>>;

/** What is wrong with the settings, by field, as sentences. */
export function problemsOf(settings: Settings): Problems {
  const problems: Problems = {};
  for (const { key, least, most, whole } of numerics) {
    const typed = settings[key].trim();
    if (typed === '') continue;
    const value = Number(typed);
    if (!Number.isFinite(value)) problems[key] = 'This is not a number.';
    else if (whole && !Number.isInteger(value)) problems[key] = 'This has to be a whole number.';
    else if (value < least) problems[key] = `This has to be ${least} or more.`;
    else if (value > most) problems[key] = `This has to be ${most} or less.`;
  }
  if (stopsOf(settings.stop).length > stopLimit) problems.stop = `At most ${stopLimit} texts can be looked for.`;
  return problems;
}

/** The options that settings without problems ask for; undefined when there are none. */
export function optionsOf(settings: Settings): Options | undefined {
  const options: Options = {};
  for (const { key } of numerics) {
    const typed = settings[key].trim();
    if (typed !== '') options[key] = Number(typed);
  }
  const stop = stopsOf(settings.stop);
  if (stop.length > 0) options.stop = stop;
  return Object.keys(options).length === 0 ? undefined : options;
}

function stopsOf(typed: string): string[] {
  return typed
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replaceAll('\\n', '\n'));
}
