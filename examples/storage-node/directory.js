// A directory with objects, each in a file of its own whose name is the sha256 of its
// key. The file begins with the key: four bytes of length, and JSON. So keys may have
// any characters, and "a" can be beside "a/b".
import { createHash, randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { canceled, conflict, corrupt, invalid, notFound } from './errors.js';

const UNFINISHED = 'unfinished';
const PIECE = 512 << 10;
const MAX_HEAD = 16 << 10;

export class Directory {
  constructor(dir) {
    this.dir = dir;
  }

  static async open(dir) {
    await fs.mkdir(path.join(dir, UNFINISHED), { recursive: true, mode: 0o700 });
    return new Directory(dir);
  }

  /** check throws where the directory would not serve. */
  async check() {
    await fs.access(path.join(this.dir, UNFINISHED), fs.constants.R_OK | fs.constants.W_OK);
  }

  #file(key) {
    return path.join(this.dir, createHash('sha256').update(key).digest('hex'));
  }

  /** load opens an object's file, and reads what it begins with. */
  async #load(file) {
    const handle = await fs.open(file);
    try {
      const length = Buffer.alloc(4);
      await handle.read(length, 0, 4, 0);
      const head = Buffer.alloc(Math.min(length.readUInt32BE(), MAX_HEAD));
      await handle.read(head, 0, head.length, 4);
      const stat = await handle.stat();
      const start = 4 + head.length;
      const { key } = JSON.parse(head.toString());
      return {
        handle,
        start,
        object: { key, size_bytes: stat.size - start, modified_at_ms: Math.floor(stat.mtimeMs), version: `${stat.ino}-${stat.mtimeMs}`, sha256: '' },
      };
    } catch (err) {
      await handle.close();
      throw err instanceof SyntaxError ? corrupt('a file in the directory is no object') : err;
    }
  }

  async #find(key) {
    try {
      return await this.#load(this.#file(key));
    } catch (err) {
      throw err.code === 'ENOENT' ? notFound(`there is no object ${JSON.stringify(key)}`) : err;
    }
  }

  async stat(key) {
    const { handle, object } = await this.#find(key);
    await handle.close();
    return object;
  }

  /** read yields a range of an object in pieces: of the version that is there now. */
  async *read(key, offset, length) {
    const { handle, start, object } = await this.#find(key);
    try {
      if (offset < 0 || length < 0 || (offset > 0 && offset >= object.size_bytes)) {
        throw invalid(`a range begins at ${offset}, and the object has ${object.size_bytes} bytes`);
      }
      let left = Math.min(length || Infinity, object.size_bytes - offset);
      for (let at = start + offset; left > 0; ) {
        const { bytesRead, buffer } = await handle.read(Buffer.alloc(Math.min(PIECE, left)), 0, Math.min(PIECE, left), at);
        if (bytesRead === 0) throw corrupt('the object is shorter than it was');
        yield buffer.subarray(0, bytesRead);
        at += bytesRead;
        left -= bytesRead;
      }
    } finally {
      await handle.close();
    }
  }

  /**
   * put stores the data of an upload where nobody sees it, and puts it in its place
   * when the host has committed to it. parts are the messages behind the first one.
   */
  async put({ key, size_bytes, create }, parts) {
    const unfinished = path.join(this.dir, UNFINISHED, randomUUID());
    const handle = await fs.open(unfinished, 'wx', 0o600);
    try {
      const head = Buffer.from(JSON.stringify({ key }));
      const length = Buffer.alloc(4);
      length.writeUInt32BE(head.length);
      await handle.writeFile(Buffer.concat([length, head]));
      await this.#receive(handle, size_bytes, parts);
      await handle.sync();
      if (create) await fs.link(unfinished, this.#file(key));
      else await fs.rename(unfinished, this.#file(key));
    } catch (err) {
      throw create && err.code === 'EEXIST' ? conflict(`there is an object ${JSON.stringify(key)} already`) : err;
    } finally {
      await handle.close();
      await fs.rm(unfinished, { force: true }); // what was renamed is not there any more
    }
    const dir = await fs.open(this.dir);
    await dir.sync().finally(() => dir.close());
  }

  /** receive writes data until the commit, and throws where there is none. */
  async #receive(handle, announced, parts) {
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const message of parts) {
      switch (message.part) {
        case 'data':
          hash.update(message.data);
          bytes += message.data.length;
          if (announced >= 0 && bytes > announced) throw invalid('more bytes came than were announced');
          await handle.writeFile(message.data);
          break;
        case 'commit':
          if (message.commit.bytes !== bytes || (announced >= 0 && announced !== bytes)) {
            throw invalid(`${bytes} bytes came, where ${message.commit.bytes} were announced`);
          }
          if (!hash.digest().equals(message.commit.sha256)) throw corrupt('the bytes that came are not those that were sent');
          return;
        case 'abort':
          throw canceled('the upload was given up');
        default:
          throw invalid('an upload has a part that is not known');
      }
    }
    throw canceled('the upload ended without a commit');
  }

  async delete(key) {
    await fs.rm(this.#file(key), { force: true });
  }

  /** list yields the objects whose keys begin with a prefix. */
  async *list(prefix) {
    for await (const entry of await fs.opendir(this.dir)) {
      if (!entry.isFile()) continue;
      try {
        const { handle, object } = await this.#load(path.join(this.dir, entry.name));
        await handle.close();
        if (object.key.startsWith(prefix)) yield object;
      } catch (err) {
        if (err.code !== 'ENOENT') throw err; // it was deleted meanwhile
      }
    }
  }

  /** sweep removes what uploads have left that have not gone on for so long. */
  async sweep(ageMs) {
    let swept = 0;
    for await (const entry of await fs.opendir(path.join(this.dir, UNFINISHED))) {
      const file = path.join(this.dir, UNFINISHED, entry.name);
      const stat = await fs.stat(file).catch(() => null);
      if (!stat || Date.now() - stat.mtimeMs < ageMs) continue;
      await fs.rm(file, { force: true });
      swept++;
    }
    return swept;
  }
}
