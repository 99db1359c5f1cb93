// What is no upload, as upload_model over both dialects: each time the sender hears what
// is wrong with it, and the connection is of use as before.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { io } from 'socket.io-client'

import { RawClient } from './rawclient.js'
import { assertFailure, assertModels, key, socketURL, url, within } from './server.js'

const content = Buffer.from('GGUF').toString('base64')
const upload = (fields) => ({ name: 'hostile', filename: 'hostile.gguf', ...fields })
const deep = (depth) => JSON.parse('{"a":'.repeat(depth) + '1' + '}'.repeat(depth))

// cases are what is sent, with the codes that are answers to it.
const cases = [
  ['nothing', undefined, 'invalid'],
  ['null', null, 'invalid'],
  ['a number', 5, 'invalid'],
  ['a text', 'upload', 'invalid'],
  ['a list', [upload({ size: 1 })], 'invalid'],
  ['an empty object', {}, 'invalid'],
  ['only what nobody knows', deep(500), 'invalid'],

  ...[5, true, {}, [], ['a']].map((name) => [`the name ${JSON.stringify(name)}`, upload({ name, size: 1 }), 'invalid']),
  ...[
    'x'.repeat(300), 'x'.repeat(900_000), 'a:b:c', 'a/b/c/d/e', '../../etc/passwd', 'a b', '🦙', 'ünïcode', '\u202egguf', '\ud800', 'a\0b', 'a\nb', '<script>', '-',
  ].map((name) => [`a name of ${name.length} like ${JSON.stringify(name.slice(0, 20))}`, upload({ name, size: 1 }), 'invalid']),
  ...[5, '..', '/', 'a\nb', 'x'.repeat(256), '\0'].map((filename) => [`the file's name ${JSON.stringify(filename).slice(0, 20)}`, upload({ filename, size: 1 }), 'invalid']),
  ['no name at all', { filename: '🦙', size: 1 }, 'invalid'],

  ['no size', upload({}), 'invalid'],
  ...[-1, Number.MIN_SAFE_INTEGER, 1.5, 1e30, Number.MAX_VALUE, '1', true, [], {}].map((size) => [`the size ${JSON.stringify(size)}`, upload({ size }), 'invalid']),
  ['the size null', upload({ size: NaN }), 'invalid'],
  ['a giant size', upload({ size: Number.MAX_SAFE_INTEGER }), 'too_large', 'no_space'],

  ...['?', 'R0dVR', 'R0dV Rg==', '____', '🦙', 5, true, {}, ['R0dVRg==']].map((bad) => [`the content ${JSON.stringify(bad)}`, upload({ content: bad }), 'invalid']),
  ['much that is not base64', upload({ content: '%'.repeat(900_000) }), 'invalid'],
  ['another size than the content has', upload({ content, size: 5 }), 'invalid'],
  ['a negative one', upload({ content, size: -4 }), 'invalid'],
  ['a sha256 that is none', upload({ content, sha256: 'x' }), 'invalid'],
  ['another sha256 than the content has', upload({ content, sha256: '0'.repeat(64) }), 'invalid'],
  ['a sha256 of another type', upload({ content, sha256: 0 }), 'invalid'],

  ...['nowhere', 'file:///etc/passwd', 's3://nowhere/m.gguf', 'storage://nowhere/m.gguf', 'storage://default/../../etc/passwd', 'storage://default/not-there.gguf', 'http://', '\0', 's'.repeat(5000)].map(
    (source) => [`the source ${JSON.stringify(source).slice(0, 40)}`, upload({ source }), 'invalid', 'not_found'],
  ),
  ...[5, {}, ['storage://default/m.gguf']].map((source) => [`the source ${JSON.stringify(source)}`, upload({ source, size: 1 }), 'invalid']),

  ...['all', 5, {}, [5], [['alpha']], [''], ['a\nb'], ['x'.repeat(254)], Array(1001).fill('alpha')].map((hosts) => [`the hosts ${JSON.stringify(hosts).slice(0, 20)}`, upload({ content, hosts }), 'invalid']),
  ...[['nobody'], ['🦙'], ['../alpha'], ['all', 'nobody']].map((hosts) => [`the hosts ${JSON.stringify(hosts)}`, upload({ content, hosts }), 'not_found']),
  ['hosts that are not there for a file that is yet to come', upload({ size: 4, hosts: ['nobody'] }), 'not_found'],

  ['a storage that is not there', upload({ content, storage: 'nowhere' }), 'not_found'],
  ['a storage that can be none', upload({ content, storage: '../default' }), 'invalid'],
  ['a quantisation that is none', upload({ content, quantize: '; rm -rf /' }), 'invalid'],
  ['a base that can be none', upload({ content, from: '../../x' }), 'invalid'],
  ['a description without end', upload({ content, description: 'x'.repeat(5000) }), 'invalid'],
  ['a description that is none', upload({ content, description: '\x1b[2J' }), 'invalid'],
]

// binary is what Socket.IO's client takes out of an event and sends beside it.
const binary = [
  ['bytes alone', Buffer.from('GGUF'), 'invalid'],
  ['bytes for a name', upload({ name: Buffer.from('\xff\xfe'), size: 1 }), 'invalid'],
  ['bytes for a size', upload({ size: Buffer.alloc(8), content }), 'invalid'],
  ['bytes for a host', upload({ hosts: [Buffer.from('alpha')], content }), 'not_found'],
  ['bytes of another size', upload({ size: 5, content: Buffer.from('GGUF') }), 'invalid'],
  ['bytes of another sha256', upload({ content: Buffer.alloc(700_000), sha256: '0'.repeat(64) }), 'invalid'],
  ['bytes within the content', upload({ content: { data: Buffer.from('GGUF') } }), 'invalid'],
  ['several for a content', upload({ content: [Buffer.from('GG'), Buffer.from('UF')] }), 'invalid'],
]

const models = async () => {
  const response = await fetch(`${url}/api/models`, { headers: { Authorization: `Bearer ${key}` } })
  return (await response.json()).map((m) => m.name)
}

// each has every case answered, and wants nothing to have come of any.
const each = async (list, ask) => {
  for (const [what, data, ...codes] of list) {
    const answer = await ask(data)
    assert.ok(codes.includes(answer?.code), `${what}: ${JSON.stringify(answer)}`)
    assertFailure(answer, 'upload_model', answer.code)
    assert.ok(answer.error.length >= 12 && answer.error.length < 1000 && !/something went wrong/.test(answer.error), `${what}: ${answer.error}`)
  }
  assert.ok(!(await models()).includes('hostile:latest'))
}

const connect = async (t) => {
  const socket = io(socketURL(url), { path: '/ws', transports: ['websocket'], forceNew: true, auth: { token: key }, reconnection: false })
  t.after(() => socket.disconnect())
  await within(new Promise((resolve) => socket.once('init', resolve)), 'the greeting')
  return socket
}

test('socket.io: what is no upload is acknowledged with what is wrong', async (t) => {
  const socket = await connect(t)
  await each([...cases, ...binary], (data) => within(socket.emitWithAck('upload_model', data), 'the acknowledgement'))
  assertModels(await within(socket.emitWithAck('get_models'), 'the models'))
  assert.ok(socket.connected)
})

test('socket.io: what is no upload is answered by an event where nobody waits', async (t) => {
  const socket = await connect(t)
  await each([...cases, ...binary], (data) => within(new Promise((resolve) => {
    socket.once('error', resolve)
    socket.emit('upload_model', data)
  }), 'the error'))
  assert.ok(socket.connected)
})

test('raw: what is no upload is answered with what is wrong', async (t) => {
  const client = new RawClient(`${socketURL(url)}/ws`, { headers: { Authorization: `Bearer ${key}` } })
  t.after(() => client.socket.terminate())
  await client.ofType('init')
  let id = 1000 // none of the client's own
  const answered = async (frame) => {
    client.send(frame)
    return (await client.next((f) => f.id === id && f.type !== 'model_progress', `the answer to ${frame.slice(0, 60)}`)).data
  }
  await each(cases, (data) => answered(JSON.stringify({ event: 'upload_model', data, id: ++id })))
  for (const size of ['9223372036854775808', '-9223372036854775809', '1e400']) { // which are no numbers of JavaScript's
    const { code } = await answered(`{"event":"upload_model","data":{"name":"hostile","size":${size}},"id":${++id}}`)
    assert.equal(code, 'invalid', size)
  }
  const frames = await client.ask('get_models')
  assertModels(frames.at(-1).data)
})
