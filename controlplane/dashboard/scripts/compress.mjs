// Puts beside each file of dist/assets what it is compressed by brotli and by
// gzip, at their best, where that is smaller. Servers send these as they are.
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

const dist = new URL('../dist/', import.meta.url).pathname;
const forms = {
  '.br': (content) =>
    promisify(brotliCompress)(content, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
        [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
      },
    }),
  '.gz': (content) => promisify(gzip)(content, { level: constants.Z_BEST_COMPRESSION }),
};

// filesIn lists the files in a folder and in those below it.
async function filesIn(folder) {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function compress(file) {
  const content = await readFile(file);
  for (const [ending, form] of Object.entries(forms)) {
    const compressed = await form(content);
    if (compressed.length < content.length) await writeFile(file + ending, compressed);
    else await rm(file + ending, { force: true });
  }
}

const files = await filesIn(join(dist, 'assets'));
await Promise.all(files.filter((file) => !(extname(file) in forms)).map(compress));

// A build empties the folder, and the file that keeps it goes as well.
await writeFile(join(dist, '.gitkeep'), '');
