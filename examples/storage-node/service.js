// corral.storage.v1.StorageService, by the directory of each instance.
import { once } from 'node:events';
import { canceled, explained, invalid } from './errors.js';
import { checkKey, checkPrefix } from './keys.js';
import { unary } from './plugin.js';

const BATCH = 500;

/** storageService serves the instances of a plugin. */
export function storageService(plugin) {
  return {
    Stat: unary(async ({ instance, key }) => ({ object: await plugin.find(instance).stat(checkKey(key)) })),
    Delete: unary(async ({ instance, key }) => {
      await plugin.find(instance).delete(checkKey(key));
      return {};
    }),
    Sweep: unary(async ({ instance, age_ms }) => ({ swept: await plugin.find(instance).sweep(age_ms) })),
    Page: unary((request) => page(plugin.find(request.instance), request)),
    List: streaming(plugin, async (call) => {
      const { instance, prefix } = call.request;
      let objects = [];
      for await (const object of plugin.find(instance).list(checkPrefix(prefix))) {
        if (objects.push(object) < BATCH) continue;
        await send(call, { objects });
        objects = [];
      }
      if (objects.length > 0) await send(call, { objects });
    }),
    Get: streaming(plugin, async (call) => {
      const { instance, key, offset_bytes, length_bytes } = call.request;
      const pieces = plugin.find(instance).read(checkKey(key), offset_bytes, length_bytes);
      let bytes = 0;
      // The header goes out when the first bytes are there: what is not is an error.
      const first = await pieces.next();
      await send(call, { header: {} });
      for (let piece = first; !piece.done; piece = await pieces.next()) {
        bytes += piece.value.length;
        try {
          await send(call, { data: piece.value });
        } catch (err) {
          await pieces.return(); // closes the file
          throw err;
        }
      }
      await send(call, { trailer: { bytes } });
    }),
    Put: (call, callback) => {
      // One answer, whether the schema has Put answer once or as a stream.
      const answer = callback ?? ((err, response) => (err ? call.emit('error', err) : (call.write(response), call.end())));
      put(plugin, call).then(
        () => answer(null, {}),
        (err) => answer(explained(err)),
      );
    },
  };
}

async function put(plugin, call) {
  call.on('cancelled', () => call.destroy(canceled('the call was given up')));
  const parts = call[Symbol.asyncIterator]();
  const first = await parts.next();
  if (first.done || first.value.part !== 'begin') throw invalid('an upload begins with something else');
  const { begin } = first.value;
  checkKey(begin.key);
  let end;
  const ended = new Promise((_, reject) => (end = reject));
  ended.catch(() => {}); // nobody may wait for it
  // Who stops reading, or destroys the call, would end it without an answer.
  const data = { [Symbol.asyncIterator]: () => ({ next: () => Promise.race([parts.next(), ended]) }) };
  await plugin.during(begin.instance, end, () => plugin.find(begin.instance).put(begin, data));
}

/** page cuts a page out of a listing, in the order of the keys' bytes. */
async function page(directory, { prefix, folders, token, limit }) {
  if (limit < 1 || limit > 1000) throw invalid('a page has 1 to 1000 entries');
  if (token !== '' && !token.startsWith('k:')) throw invalid(`no page has told the token ${JSON.stringify(token)}`);
  const after = token === '' ? null : token.slice(2);
  const entries = new Map();
  for await (const object of directory.list(checkPrefix(prefix))) {
    const slash = folders ? object.key.indexOf('/', prefix.length) : -1;
    const name = slash < 0 ? object.key : object.key.slice(0, slash + 1);
    if (after === null || compare(name, after) > 0) entries.set(name, slash < 0 ? object : null);
  }
  const names = [...entries.keys()].sort(compare);
  const shown = names.slice(0, limit);
  return {
    objects: shown.map((name) => entries.get(name)).filter(Boolean),
    folders: shown.filter((name) => entries.get(name) === null),
    next_token: names.length > limit ? `k:${shown.at(-1)}` : '',
  };
}

const compare = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** streaming makes a method of gRPC of a function that sends its answers. */
function streaming(plugin, answer) {
  return (call) => {
    const end = (why) => {
      call.ended = why;
      call.emit('ended');
    };
    plugin
      .during(call.request.instance, end, () => answer(call))
      .then(
        () => call.end(),
        (err) => call.emit('error', explained(err)),
      );
  };
}

/** send sends a message, and waits while the host is slow to take it. */
async function send(call, message) {
  goesOn(call);
  if (call.write(message)) return;
  const gone = new AbortController();
  await Promise.race(['drain', 'cancelled', 'ended'].map((event) => once(call, event, { signal: gone.signal }))).finally(() => gone.abort());
  goesOn(call);
}

function goesOn(call) {
  if (call.cancelled) throw canceled('the call was given up');
  if (call.ended) throw call.ended;
}
