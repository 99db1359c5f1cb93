const byteUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** A size such as "3.8 GiB". */
export function bytes(n: number): string {
  let unit = 0;
  let value = n;
  while (Math.abs(value) >= 1024 && unit < byteUnits.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || Math.abs(value) >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${byteUnits[unit] ?? ''}`;
}

/** A rate such as "1.2 MiB/s". */
export function bytesPerSecond(n: number): string {
  return `${bytes(n)}/s`;
}

/** A share such as "42 %". */
export function percent(n: number): string {
  return `${n.toFixed(0)} %`;
}

/** A length of time such as "3 d 4 h", "2 min 5 s", "7 s" or "0.8 s". */
export function duration(seconds: number): string {
  if (seconds < 10) return `${Number.isInteger(seconds) ? seconds : seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const parts: [number, string][] = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'min'],
    [1, 's'],
  ];
  const first = parts.findIndex(([size]) => seconds >= size);
  return parts
    .slice(first, first + 2)
    .map(([size, unit], i) => {
      const n = i === 0 ? Math.floor(seconds / size) : Math.floor((seconds % (parts[first]?.[0] ?? size)) / size);
      return i > 0 && n === 0 ? '' : `${n} ${unit}`;
    })
    .join(' ')
    .trim();
}

/** How long something that is measured still takes, no finer than it can be told: "8 s", "1 min 5 s", "12 min". */
export function remaining(seconds: number): string {
  const grain = seconds < 60 ? 1 : seconds < 600 ? 5 : 60;
  return duration(Math.max(1, Math.ceil(seconds / grain) * grain));
}

/** What is not known is shown so, and never as nought. */
export const unknown = '–';
