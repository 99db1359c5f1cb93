import assert from 'node:assert/strict'
import { test } from 'node:test'

import OpenAI from 'openai'

import { endlessModel, key, model, url, within, wrongKey } from './server.js'

const options = { baseURL: `${url}/v1`, maxRetries: 0, timeout: 30_000 }
const openai = new OpenAI({ ...options, apiKey: key })
const messages = [{ role: 'user', content: 'Hello' }]

test('openai: models', async () => {
  const ids = []
  for await (const m of await openai.models.list()) ids.push(m.id)
  assert.ok(ids.includes(model), `${model} is not in ${ids}`)
  assert.equal((await openai.models.retrieve(model)).id, model)
})

test('openai: chat completions, whole and in pieces', async () => {
  const whole = await openai.chat.completions.create({ model, messages })
  const text = whole.choices[0].message.content
  assert.equal(whole.object, 'chat.completion')
  assert.ok(text.length > 0)
  assert.ok(whole.usage.completion_tokens > 0)

  const stream = await openai.chat.completions.create({ model, messages, stream: true, stream_options: { include_usage: true } })
  let streamed = ''
  let chunks = 0
  let usage
  await within((async () => {
    for await (const chunk of stream) {
      chunks++
      streamed += chunk.choices[0]?.delta?.content ?? ''
      usage = chunk.usage ?? usage
    }
  })(), 'the stream')
  assert.equal(streamed, text)
  assert.ok(chunks > 2, `${chunks} chunks`)
  assert.equal(usage.completion_tokens, whole.usage.completion_tokens)
})

test('openai: completions, whole and in pieces', async () => {
  const whole = await openai.completions.create({ model, prompt: 'Hello' })
  const { text } = whole.choices[0]
  assert.equal(whole.object, 'text_completion')
  assert.ok(text.length > 0)
  assert.ok(whole.usage.completion_tokens > 0)

  const stream = await openai.completions.create({ model, prompt: 'Hello', stream: true })
  let streamed = ''
  await within((async () => { for await (const chunk of stream) streamed += chunk.choices[0]?.text ?? '' })(), 'the stream')
  assert.equal(streamed, text)
})

test('openai: responses, whole and in pieces', async () => {
  const whole = await openai.responses.create({ model, input: 'Hello' })
  assert.equal(whole.status, 'completed')
  assert.ok(whole.output_text.length > 0)
  assert.ok(whole.usage.output_tokens > 0)

  const stream = await openai.responses.create({ model, input: [{ role: 'user', content: 'Hello' }], stream: true })
  let streamed = ''
  const types = []
  await within((async () => {
    for await (const event of stream) {
      types.push(event.type)
      if (event.type === 'response.output_text.delta') streamed += event.delta
    }
  })(), 'the stream')
  assert.equal(streamed, whole.output_text)
  assert.equal(types[0], 'response.created')
  assert.equal(types.at(-1), 'response.completed')
})

test('openai: a stream is aborted, and the server goes on', async () => {
  const stream = await openai.chat.completions.create({ model: endlessModel, messages, stream: true })
  stream.controller.abort()
  // The library ends the loop of a stream that its caller has aborted.
  await within((async () => { for await (const _ of stream); })(), 'the abort')
  assert.ok((await openai.chat.completions.create({ model, messages })).choices.length === 1)
})

test('openai: embeddings', async () => {
  const { data } = await openai.embeddings.create({ model, input: ['one', 'two'] })
  assert.equal(data.length, 2)
  assert.ok(data[0].embedding.length > 0 && data[0].embedding.every(Number.isFinite))
})

test('openai: an unknown model and a wrong key are the errors that the library knows', async () => {
  await assert.rejects(openai.chat.completions.create({ model: 'no-such-model', messages }), OpenAI.NotFoundError)
  await assert.rejects(openai.completions.create({ model: 'no-such-model', prompt: 'Hello' }), OpenAI.NotFoundError)
  await assert.rejects(openai.responses.create({ model: 'no-such-model', input: 'Hello' }), OpenAI.NotFoundError)
  await assert.rejects(new OpenAI({ ...options, apiKey: wrongKey }).models.list(), OpenAI.AuthenticationError)
})
