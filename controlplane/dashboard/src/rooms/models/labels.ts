/** The labels in a line such as "gpu=h100, site=west", or what is wrong with it. */
export function labelsIn(line: string): Record<string, string> | string {
  const labels: Record<string, string> = {};
  for (const part of line.split(',')) {
    const text = part.trim();
    if (text === '') continue;
    const at = text.indexOf('=');
    if (at < 1) return `“${text}” is no label, such as site=west.`;
    labels[text.slice(0, at).trim()] = text.slice(at + 1).trim();
  }
  return labels;
}

/** Labels as a line, in the order of their names. */
export function lineOf(labels: Readonly<Record<string, string>> = {}): string {
  return Object.keys(labels)
    .sort()
    .map((name) => `${name}=${labels[name] ?? ''}`)
    .join(', ');
}
