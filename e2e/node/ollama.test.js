import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Ollama } from 'ollama'

import { endlessModel, hosts, key, model, needsHosts, roamingModel, until, url, within, wrongKey } from './server.js'

const withHeader = () => new Ollama({ host: url, headers: { Authorization: `Bearer ${key}` } })
const clients = {
  'key in a header': withHeader,
  'key in the URL': () => new Ollama({ host: `${url}/k/${key}` }),
}

const messages = [{ role: 'user', content: 'Hello' }]

const gather = async (stream) => {
  const parts = []
  for await (const part of stream) parts.push(part)
  return parts
}

for (const [name, client] of Object.entries(clients)) {
  test(`ollama, ${name}: list, show and version`, async () => {
    const ollama = client()
    const { models } = await ollama.list()
    const found = models.find((m) => m.name === model)
    assert.ok(found, `${model} is not in ${models.map((m) => m.name)}`)
    assert.match(found.digest, /^[0-9a-f]{64}$/)
    const shown = await ollama.show({ model })
    assert.ok(shown.details.family)
    assert.ok(shown.capabilities.includes('completion'))
    assert.match((await ollama.version()).version, /^\d+\.\d+/)
  })

  test(`ollama, ${name}: chat, whole and in pieces`, async () => {
    const ollama = client()
    const whole = await ollama.chat({ model, messages })
    assert.equal(whole.done, true)
    assert.ok(whole.message.content.length > 0)
    assert.ok(whole.eval_count > 0)
    const parts = await within(ollama.chat({ model, messages, stream: true }).then(gather), 'the stream')
    assert.ok(parts.length > 2, `${parts.length} parts`)
    assert.equal(parts.at(-1).done, true)
    assert.equal(parts.map((p) => p.message.content).join(''), whole.message.content)
  })
}

test('ollama: generate, whole and in pieces', async () => {
  const ollama = withHeader()
  const whole = await ollama.generate({ model, prompt: 'Hello' })
  assert.ok(whole.response.length > 0)
  const parts = await within(ollama.generate({ model, prompt: 'Hello', stream: true }).then(gather), 'the stream')
  assert.equal(parts.map((p) => p.response).join(''), whole.response)
  assert.equal(parts.at(-1).done, true)
})

test('ollama: a stream is aborted, and the server goes on', async () => {
  const ollama = withHeader()
  const stream = await ollama.chat({ model: endlessModel, messages, stream: true })
  stream.abort()
  await assert.rejects(within(gather(stream), 'the abort'), { name: 'AbortError' })
  assert.ok((await ollama.chat({ model, messages })).done)
})

test('ollama: ps shows the model that has just answered', async () => {
  const ollama = withHeader()
  await ollama.generate({ model, prompt: 'Hello', keep_alive: '5m' })
  await until(() => ollama.ps(), ({ models }) => models.some((m) => m.name === model), `${model} in memory`)
})

test('ollama: ps shows a model on each host that has it in memory, and keep_alive 0 takes it from all', needsHosts, async () => {
  const ollama = withHeader()
  const residencies = async () => (await ollama.ps()).models.filter((m) => m.name === roamingModel)
  // Each host serves one request at a time, so that each further one goes elsewhere.
  const streams = []
  for (const _ of hosts) streams.push(await ollama.chat({ model: roamingModel, messages, stream: true }))
  const resident = await until(residencies, (models) => models.length === hosts.length, `${roamingModel} in memory everywhere`)
  assert.deepEqual(resident.map((m) => m.host).sort(), hosts.toSorted())
  assert.equal(new Set(resident.map((m) => m.digest)).size, 1)
  for (const stream of streams) {
    stream.abort()
    await assert.rejects(within(gather(stream), 'the abort'), { name: 'AbortError' })
  }
  const unloaded = await ollama.generate({ model: roamingModel, prompt: '', keep_alive: 0 })
  assert.equal(unloaded.done_reason, 'unload')
  await until(residencies, (models) => models.length === 0, `${roamingModel} out of memory everywhere`)
})

test('ollama: copy and delete reach every host', async () => {
  const ollama = withHeader()
  const copy = 'copied/twin:latest'
  const holders = async () => {
    const response = await fetch(`${url}/api/hosts`, { headers: { Authorization: `Bearer ${key}` } })
    const all = await response.json()
    return [all.filter((h) => h.instances[0].models.some((m) => m.name === copy)).length, all.length]
  }
  assert.equal((await ollama.copy({ source: model, destination: copy })).status, 'success')
  const [have, all] = await holders()
  assert.equal(have, all)
  const { models } = await ollama.list()
  const digest = (name) => models.find((m) => m.name === name)?.digest
  assert.ok(digest(copy))
  assert.equal(digest(copy), digest(model))
  assert.equal((await ollama.chat({ model: copy, messages })).model, copy)
  assert.equal((await ollama.delete({ model: copy })).status, 'success')
  assert.equal((await holders())[0], 0)
  await assert.rejects(ollama.show({ model: copy }), { status_code: 404 })
  await assert.rejects(ollama.delete({ model: copy }), { status_code: 404 })
})

test('ollama: what a model cannot do is refused in words', async () => {
  const tools = [{ type: 'function', function: { name: 'look', description: 'Looks.', parameters: { type: 'object', properties: {} } } }]
  await assert.rejects(withHeader().chat({ model, messages, tools }), (err) => {
    assert.equal(err.status_code, 400)
    assert.match(err.error, /does not support tools/)
    return true
  })
})

test('ollama: embed', async () => {
  const { embeddings } = await withHeader().embed({ model, input: ['one', 'two'] })
  assert.equal(embeddings.length, 2)
  assert.ok(embeddings[0].length > 0 && embeddings[0].every(Number.isFinite))
})

test('ollama: an unknown model and a wrong key are told in words', async () => {
  await assert.rejects(withHeader().chat({ model: 'no-such-model', messages }), (err) => {
    assert.equal(err.status_code, 404)
    assert.match(err.error, /no-such-model/)
    return true
  })
  const stranger = new Ollama({ host: url, headers: { Authorization: `Bearer ${wrongKey}` } })
  await assert.rejects(stranger.list(), (err) => {
    assert.equal(err.status_code, 401)
    assert.equal(typeof err.error, 'string')
    return true
  })
})
