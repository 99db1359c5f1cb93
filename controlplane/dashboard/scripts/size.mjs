// Says how much JavaScript a first load takes, compressed by brotli, and fails
// where that is more than it may be: all that index.html loads by itself, which
// names beside its scripts what these import before they run.
import { readFile } from 'node:fs/promises';
import { brotliCompressSync, constants } from 'node:zlib';

const limitBytes = 150_000;
const dist = new URL('../dist/', import.meta.url);

// eager returns the scripts that a page loads, by their paths in dist.
function eager(html) {
  const found = new Set();
  for (const [tag] of html.matchAll(/<(?:script|link)\b[^>]*>/g)) {
    const attribute = (name) => new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1];
    if (tag.startsWith('<script')) found.add(attribute('src'));
    else if (attribute('rel') === 'modulepreload') found.add(attribute('href'));
  }
  found.delete(undefined);
  return [...found].map((path) => path.replace(/^\//, ''));
}

function brotliBytes(content) {
  return brotliCompressSync(content, {
    params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY, [constants.BROTLI_PARAM_SIZE_HINT]: content.length },
  }).length;
}

const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;

const paths = eager(await readFile(new URL('index.html', dist), 'utf8'));
if (paths.length === 0) {
  console.error('size: index.html loads no script');
  process.exit(1);
}
let total = 0;
for (const path of paths) {
  const bytes = brotliBytes(await readFile(new URL(path, dist)));
  total += bytes;
  console.log(`${kilobytes(bytes).padStart(10)}  ${path}`);
}
console.log(`${kilobytes(total).padStart(10)}  of JavaScript by brotli for the first load, of ${kilobytes(limitBytes)} at most`);
if (total > limitBytes) {
  console.error('size: the first load is too large');
  process.exit(1);
}
