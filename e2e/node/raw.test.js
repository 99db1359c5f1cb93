import assert from 'node:assert/strict'
import { test } from 'node:test'

import { RawClient } from './rawclient.js'
import {
  assertAnswer, assertFailure, assertFiles, assertMetrics, assertModels, assertStatus,
  key, keylessURL, model, needsKeyless, socketURL, storedFiles, url, within, wrongKey,
} from './server.js'

const bearer = { headers: { Authorization: `Bearer ${key}` } }

const connect = async (t, address = `${socketURL(url)}/ws`, options = bearer) => {
  const client = new RawClient(address, options)
  t.after(() => client.socket.terminate())
  const init = await client.ofType('init')
  assert.equal(typeof init.message, 'string')
  assert.equal(typeof init.data, 'object')
  return client
}

test('raw: every event is answered, with its id', async (t) => {
  const client = await connect(t)
  const answer = async (event, data) => (await client.ask(event, data)).at(-1)

  const metrics = await answer('get_metrics')
  assert.equal(metrics.type, 'metrics_update')
  assertMetrics(metrics.data)
  const models = await answer('get_models', {})
  assert.equal(models.type, 'models_list')
  assertModels(models.data)
  const status = await answer('get_system_status', null)
  assert.equal(status.type, 'system_status')
  assertStatus(status.data)
  const chat = await answer('chat_request', { message: 'Hello', model })
  assert.equal(chat.type, 'chat_response')
  assertAnswer(chat.data)
})

test('raw: a storage is browsed page by page', async (t) => {
  const folder = await storedFiles(t, 'raw')
  const client = await connect(t)
  const page = async (data) => (await client.ask('browse_storage', data)).at(-1)

  const first = await page({ prefix: folder, limit: 1 })
  assert.equal(first.type, 'storage_files')
  assert.equal(first.storage, 'default')
  assertFiles(first.data, [`${folder}a.txt`])
  const second = await page({ storage: 'default', prefix: folder, cursor: first.cursor })
  assertFiles(second.data, [`${folder}b/`])
  assert.equal(second.cursor, '')
})

test('raw: a chat streams its pieces', async (t) => {
  const client = await connect(t)
  const frames = await client.ask('chat_request', { message: 'Hello', model, stream: true })
  const whole = frames.pop().data
  assert.equal(whole.done, true)
  assertAnswer(whole)
  assert.ok(frames.length > 1, `${frames.length} pieces`)
  assert.equal(frames.map((f) => f.data.message).join(''), whole.message)
})

test('raw: without an id there is none in the answer', async (t) => {
  const client = await connect(t)
  client.send(JSON.stringify({ event: 'get_system_status' }))
  assert.ok(!('id' in await client.ofType('system_status')))
})

test('raw: what fails is told, and the connection stays', async (t) => {
  const client = await connect(t)
  const failure = async (event, data) => {
    const [frame] = await client.ask(event, data)
    assert.equal(frame.type, 'error')
    return frame.data
  }
  assertFailure(await failure('nonsense'), 'nonsense', 'not_found')
  assertFailure(await failure('chat_request', { model }), 'chat_request', 'invalid')
  assertFailure(await failure('chat_request', { message: 'x', model: 'no-such-model' }), 'chat_request', 'not_found')
  assertFailure(await failure('upload_model', { name: 'x', filename: 'x.gguf', content: '?' }), 'upload_model', 'invalid')
  assertFailure(await failure('browse_storage', { storage: 'none' }), 'browse_storage', 'not_found')
  for (const broken of ['{"event":', 'hello', '[]', '{}']) {
    client.send(broken)
    assertFailure((await client.ofType('error')).data, null, 'invalid')
  }
  assertModels((await client.ask('get_models'))[0].data)
})

test('raw: metrics come unasked, until they are unsubscribed', async (t) => {
  const client = await connect(t)
  for (let i = 0; i < 2; i++) assertMetrics((await client.ofType('metrics_update')).data)
  const [told] = await client.ask('unsubscribe', { topics: ['metrics_update'] })
  assert.ok(!told.data.topics.includes('metrics_update'))
  await client.ask('subscribe', { topics: ['metrics_update'] })
  assertMetrics((await client.ofType('metrics_update')).data)
})

test('raw: the endpoint has many names, and a key many places', async (t) => {
  const base = socketURL(url)
  for (const path of ['/ws', '/ws/', '/ws/ws', '/ws/ws/', '/api/ws', '/api/ws/']) {
    await (await connect(t, base + path)).close()
  }
  await (await connect(t, `${base}/k/${key}/ws`, {})).close()
  const byProtocol = await connect(t, `${base}/ws`, { protocols: ['corral.v1', `bearer.${key}`] })
  assert.equal(byProtocol.socket.protocol, 'corral.v1')
})

test('raw: without a key a frame says why the connection ends', async () => {
  const client = new RawClient(`${socketURL(url)}/ws`)
  assertFailure((await client.ofType('error')).data, null, 'unauthenticated')
  assert.equal((await within(client.closed, 'the close')).code, 1008)
})

test('raw: a wrong key and a foreign page are refused', async () => {
  const base = socketURL(url)
  const status = (address, options) => within(new RawClient(address, options).refused, 'the refusal')
  assert.equal(await status(`${base}/ws`, { headers: { Authorization: `Bearer ${wrongKey}` } }), 401)
  assert.equal(await status(`${base}/k/${wrongKey}/ws`), 401)
  assert.equal(await status(`${base}/ws`, { headers: { ...bearer.headers, Origin: 'https://evil.example' } }), 403)
})

test('raw: the stream of metrics begins at once', async (t) => {
  const client = new RawClient(`${socketURL(url)}/api/metrics/realtime`, bearer)
  t.after(() => client.socket.terminate())
  for (let i = 0; i < 3; i++) assertMetrics((await client.ofType('metrics_update')).data)
  const refused = new RawClient(`${socketURL(url)}/api/metrics/realtime`)
  assert.equal(await within(refused.refused, 'the refusal'), 401)
})

test('raw: no key is needed where none is wanted', needsKeyless, async (t) => {
  const client = await connect(t, `${socketURL(keylessURL)}/ws`, {})
  assertStatus((await client.ask('get_system_status'))[0].data)
  assertAnswer((await client.ask('chat_request', { message: 'Hello', model })).at(-1).data)
})

test('a plain request to the endpoint is told what it is', async () => {
  const plain = await fetch(`${url}/ws`)
  assert.equal(plain.status, 426)
  assert.match(await plain.text(), /WebSocket/)
  const polling = await fetch(`${url}/ws/?EIO=4&transport=polling`)
  assert.equal(polling.status, 400)
  assert.deepEqual(await polling.json(), { code: 0, message: 'Transport unknown' })
})
