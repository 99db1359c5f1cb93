import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Ollama } from 'ollama'

import { endlessModel, key, model, url, within, wrongKey } from './server.js'

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
  // Hosts tell what they have loaded a moment after it was.
  let models = []
  for (const deadline = Date.now() + 5000; Date.now() < deadline; await new Promise((wake) => setTimeout(wake, 50))) {
    models = (await ollama.ps()).models
    if (models.some((m) => m.name === model)) return
  }
  assert.fail(`not among ${JSON.stringify(models)}`)
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
