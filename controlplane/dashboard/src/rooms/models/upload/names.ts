/**
 * A name for a model that comes as files and has none yet: that of their folder, or of
 * the first, in letters that a model may have.
 */
export function nameAfter(files: readonly { name: string }[], folder = ''): string {
  const [first = ''] = files.map(({ name }) => name).sort();
  const stem = first.replace(/\.[^.]+$/, '').replace(/-\d{5}-of-\d{5}$/, '');
  return (folder === '' ? stem : folder)
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 80);
}
