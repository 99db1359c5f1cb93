// Real clients whose model is busy for longer than they would wait in silence:
// what they read until it is free must not disturb them.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Ollama } from 'ollama'
import OpenAI from 'openai'

import { key, model, url } from './server.js'

const ollama = new Ollama({ host: url, headers: { Authorization: `Bearer ${key}` } })
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, timeout: 60_000 })
const messages = [{ role: 'user', content: 'Hello' }]
const sentence = process.env.CORRAL_SENTENCE // that the model says over and over
const tokens = 8

const assertSaid = (text) => assert.ok(text.length > 0 && sentence.startsWith(text), `${text} is not what ${sentence} begins with`)

// Each client waits beside the others, so that the test takes as long as one.
test('clients wait for a busy model', { concurrency: true }, async (t) => {
  await Promise.all([
    t.test('ollama: chat', async () => {
      let text = ''
      for await (const part of await ollama.chat({ model, messages, stream: true, options: { num_predict: tokens } })) text += part.message.content
      assertSaid(text)
    }),
    t.test('ollama: generate', async () => {
      let text = ''
      for await (const part of await ollama.generate({ model, prompt: 'Hello', stream: true, options: { num_predict: tokens } })) text += part.response
      assertSaid(text)
    }),
    t.test('openai: chat completions', async () => {
      let text = ''
      for await (const chunk of await openai.chat.completions.create({ model, messages, stream: true, max_tokens: tokens })) {
        text += chunk.choices[0]?.delta?.content ?? ''
      }
      assertSaid(text)
    }),
    t.test('openai: responses', async () => {
      let text = ''
      for await (const event of await openai.responses.create({ model, input: 'Hello', stream: true, max_output_tokens: tokens })) {
        if (event.type === 'response.output_text.delta') text += event.delta
      }
      assertSaid(text)
    }),
  ])
})
