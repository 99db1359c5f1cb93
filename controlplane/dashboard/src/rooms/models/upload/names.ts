/**
 * A name for a model that comes as files and has none yet: that of their folder, or of
 * the first, in letters that a model may have.
 */
export function nameAfter(files: readonly { name: string }[], folder = ''): string {
  const [first = ''] = files.map(({ name }) => name).sort();
  const stem = first.replace(/\.[^.]+$/, '').replace(/-\d{5}-of-\d{5}$/, '');
  return (folder === '' ? stem : folder)
    .normalize('NFKD') // a letter, and what is above it, which goes
    .replace(/\p{M}+/gu, '')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 80);
}

/** Whether two names are one model's. Where nothing else is said, it is the latest. */
export function sameName(a: string, b: string): boolean {
  return canonical(a) === canonical(b);
}

function canonical(name: string): string {
  const text = name.trim().toLowerCase();
  return /:[^/]*$/.test(text) ? text : `${text}:latest`;
}
