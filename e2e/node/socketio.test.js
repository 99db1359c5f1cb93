import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'

import { io } from 'socket.io-client'

import {
  assertAnswer, assertFailure, assertFiles, assertMetrics, assertModels, assertStatus,
  key, keylessURL, model, needsKeyless, socketURL, storedFiles, url, within, wrongKey,
} from './server.js'

// As existing dashboards connect, with the key where they can put it.
const dashboard = { path: '/ws', transports: ['websocket'], forceNew: true }
const withKey = { ...dashboard, auth: { token: key } }

const open = (t, options = withKey, address = socketURL(url)) => {
  const socket = io(address, options)
  t.after(() => socket.disconnect())
  return socket
}

// The listener for init has to be there before the connection is.
const connect = async (t, options, address) => {
  const socket = open(t, options, address)
  const greeted = heard(socket, 'init')
  const failed = once(socket, 'connect_error').then(([err]) => { throw err })
  const [data, beside] = await within(Promise.race([greeted, failed]), 'the greeting')
  assert.equal(typeof data, 'object')
  assert.equal(typeof beside.message, 'string')
  return socket
}

const heard = (socket, event) => within(new Promise((resolve) => socket.once(event, (...args) => resolve(args))), event)

const refusal = async (t, options, address) => {
  const socket = open(t, { ...options, reconnection: false }, address)
  const [err] = await heard(socket, 'connect_error')
  return err
}

test('socket.io: every event is answered by an event', async (t) => {
  const socket = await connect(t)
  const answer = async (event, data, type) => {
    const answered = heard(socket, type)
    socket.emit(event, data)
    return (await answered)[0]
  }
  assertMetrics(await answer('get_metrics', undefined, 'metrics_update'))
  assertModels(await answer('get_models', {}, 'models_list'))
  assertStatus(await answer('get_system_status', null, 'system_status'))
  assertAnswer(await answer('chat_request', { message: 'Hello', model }, 'chat_response'))
  assertFailure(await answer('nonsense', {}, 'error'), 'nonsense', 'not_found')
  assertFailure(await answer('browse_storage', { storage: 'none' }, 'error'), 'browse_storage', 'not_found')
  assert.ok(socket.connected)
})

test('socket.io: a storage is browsed page by page', async (t) => {
  const folder = await storedFiles(t, 'socketio')
  const socket = await connect(t)
  const page = async (data) => {
    const answered = heard(socket, 'storage_files')
    socket.emit('browse_storage', data)
    return answered
  }
  const [files, at] = await page({ prefix: folder, limit: 1 })
  assertFiles(files, [`${folder}a.txt`])
  assert.equal(at.storage, 'default')
  const [rest, end] = await page({ storage: 'default', prefix: folder, cursor: at.cursor })
  assertFiles(rest, [`${folder}b/`])
  assert.equal(end.cursor, '')

  const acknowledged = await within(new Promise((resolve) => socket.emit('browse_storage', { prefix: folder }, (...args) => resolve(args))), 'the acknowledgement')
  assertFiles(acknowledged[0], [`${folder}a.txt`, `${folder}b/`])
  assert.deepEqual(acknowledged[1], { cursor: '', storage: 'default' })
})

test('socket.io: every event is acknowledged, and then no event is sent', async (t) => {
  const socket = await connect(t)
  const events = []
  socket.onAny((name) => events.push(name))
  const ask = (event, ...args) => within(socket.emitWithAck(event, ...args), event)

  assertMetrics(await ask('get_metrics'))
  assertModels(await ask('get_models', {}))
  assertStatus(await ask('get_system_status'))
  assertAnswer(await ask('chat_request', { message: 'Hello', model }))
  assertFailure(await ask('nonsense'), 'nonsense', 'not_found')
  assertFailure(await ask('chat_request', {}), 'chat_request', 'invalid')
  assertFailure(await ask('chat_request', { message: 'x', model: 'no-such-model' }), 'chat_request', 'not_found')
  assertFailure(await ask('upload_model', { name: 'no name', filename: 'x.gguf', content: Buffer.from('GGUF') }), 'upload_model', 'invalid')
  assertFailure(await ask('browse_storage', { storage: 'none' }), 'browse_storage', 'not_found')
  assert.deepEqual((await ask('unsubscribe', { topics: ['metrics_update'] })).topics.includes('metrics_update'), false)
  assert.deepEqual((await ask('subscribe', { topics: ['metrics_update'] })).topics.includes('metrics_update'), true)
  // What is pushed comes all the same.
  assert.deepEqual(events.filter((name) => !['metrics_update', 'models_list', 'model_progress'].includes(name)), [])
})

test('socket.io: a chat streams its pieces', async (t) => {
  const socket = await connect(t)
  const pieces = []
  const whole = await within(new Promise((resolve) => {
    socket.on('chat_response', (data) => (data.done ? resolve(data) : pieces.push(data)))
    socket.emit('chat_request', { message: 'Hello', model, stream: true })
  }), 'the whole answer')
  assertAnswer(whole)
  assert.ok(pieces.length > 1, `${pieces.length} pieces`)
  assert.equal(pieces.map((p) => p.message).join(''), whole.message)
})

test('socket.io: metrics come unasked', async (t) => {
  const socket = await connect(t)
  for (let i = 0; i < 2; i++) assertMetrics((await heard(socket, 'metrics_update'))[0])
})

test('socket.io: a lost connection comes back, and asks for the key again', async (t) => {
  let asked = 0
  const socket = await connect(t, {
    ...dashboard,
    auth: (answer) => { asked++; answer({ token: key }) },
    reconnectionDelay: 10, reconnectionDelayMax: 50,
  })
  for (let i = 0; i < 2; i++) {
    const lost = heard(socket, 'disconnect')
    const back = heard(socket, 'connect')
    socket.io.engine.transport.ws.terminate()
    await lost
    await back
    assertModels(await within(socket.emitWithAck('get_models'), 'an answer after the reconnect'))
  }
  assert.equal(asked, 3)
})

test('socket.io: a client may leave and come back', async (t) => {
  const socket = await connect(t)
  const left = heard(socket, 'disconnect')
  socket.disconnect()
  assert.equal((await left)[0], 'io client disconnect')
  const greeted = heard(socket, 'init')
  socket.connect()
  await greeted
})

test('socket.io: without a good key there is no connection, and the reason is told', async (t) => {
  for (const auth of [undefined, {}, { token: '' }, { token: wrongKey }]) {
    const err = await refusal(t, { ...dashboard, auth })
    assert.equal(err.data?.code, 'unauthenticated', `${JSON.stringify(auth)}: ${err.message}`)
    assert.ok(err.message.length > 0)
  }
})

test('socket.io: a refused client may try again with another key', async (t) => {
  const socket = open(t, { ...dashboard, auth: { token: wrongKey } })
  await heard(socket, 'connect_error')
  const greeted = heard(socket, 'init')
  socket.auth = { token: key }
  socket.connect()
  await greeted
})

test('socket.io: a key may stand in the path', async (t) => {
  await connect(t, { ...dashboard, path: `/k/${key}/ws` })
  const err = await refusal(t, { ...dashboard, path: `/k/${wrongKey}/ws` })
  assert.match(err.message, /websocket error/) // the handshake itself is refused
})

test('socket.io: a key may stand in the namespace', async (t) => {
  const socket = await connect(t, dashboard, `${socketURL(url)}/k/${key}`)
  assertModels(await within(socket.emitWithAck('get_models'), 'the models'))
  assertMetrics((await heard(socket, 'metrics_update'))[0])
  const err = await refusal(t, dashboard, `${socketURL(url)}/k/${wrongKey}`)
  assert.equal(err.data.code, 'unauthenticated')
})

test('socket.io: there are no other namespaces', async (t) => {
  const err = await refusal(t, withKey, `${socketURL(url)}/admin`)
  assert.equal(err.message, 'Invalid namespace')
})

test('socket.io: the endpoint has many names', async (t) => {
  for (const path of ['/ws', '/ws/ws', '/api/ws', '/socket.io']) await connect(t, { ...withKey, path })
  await connect(t, { ...withKey, path: '/ws', addTrailingSlash: false })
  await connect(t, withKey, url) // by http://
})

test('socket.io: polling is refused in the words that the client knows', async (t) => {
  const err = await refusal(t, { ...withKey, transports: ['polling'] })
  assert.equal(err.message, 'xhr poll error')
})

test('socket.io: no key is needed where none is wanted', needsKeyless, async (t) => {
  const socket = await connect(t, dashboard, socketURL(keylessURL))
  assertStatus(await within(socket.emitWithAck('get_system_status'), 'the status'))
  assertAnswer(await within(socket.emitWithAck('chat_request', { message: 'Hello', model }), 'the answer'))
})
