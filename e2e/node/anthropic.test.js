import assert from 'node:assert/strict'
import { test } from 'node:test'

import Anthropic from '@anthropic-ai/sdk'

import { endlessModel, key, model, url, within, wrongKey } from './server.js'

const options = { baseURL: url, maxRetries: 0, timeout: 30_000 }
const clients = {
  'an API key': new Anthropic({ ...options, apiKey: key, authToken: null }),
  'a bearer token': new Anthropic({ ...options, apiKey: null, authToken: key }),
}
const anthropic = clients['an API key']
const messages = [{ role: 'user', content: 'Hello' }]
const textOf = (message) => message.content.filter((block) => block.type === 'text').map((block) => block.text).join('')

for (const [name, client] of Object.entries(clients)) {
  test(`anthropic, ${name}: messages, whole and in pieces`, async () => {
    const whole = await client.messages.create({ model, max_tokens: 100, messages })
    assert.equal(whole.type, 'message')
    assert.equal(whole.stop_reason, 'end_turn')
    assert.ok(textOf(whole).length > 0)
    assert.ok(whole.usage.output_tokens > 0)

    const stream = client.messages.stream({ model, max_tokens: 100, messages })
    let streamed = ''
    stream.on('text', (text) => { streamed += text })
    const last = await within(stream.finalMessage(), 'the stream')
    assert.equal(streamed, textOf(whole))
    assert.equal(textOf(last), textOf(whole))
    assert.equal(last.stop_reason, 'end_turn')
  })
}

test('anthropic: an answer ends at max_tokens', async () => {
  const short = await anthropic.messages.create({ model, max_tokens: 3, messages })
  assert.equal(short.stop_reason, 'max_tokens')
  assert.equal(short.usage.output_tokens, 3)
})

test('anthropic: a stream is aborted, and the server goes on', async () => {
  const stream = anthropic.messages.stream({ model: endlessModel, max_tokens: 1_000_000, messages })
  await within(new Promise((begun) => stream.once('text', begun)), 'the first token')
  stream.abort()
  await assert.rejects(within(stream.finalMessage(), 'the abort'), Anthropic.APIUserAbortError)
  assert.equal((await anthropic.messages.create({ model, max_tokens: 100, messages })).type, 'message')
})

test('anthropic: an unknown model and a wrong key are the errors that the library knows', async () => {
  await assert.rejects(anthropic.messages.create({ model: 'no-such-model', max_tokens: 5, messages }), Anthropic.NotFoundError)
  const stranger = new Anthropic({ ...options, apiKey: wrongKey, authToken: null })
  await assert.rejects(stranger.messages.create({ model, max_tokens: 5, messages }), Anthropic.AuthenticationError)
})
