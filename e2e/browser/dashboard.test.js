import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { chromium } from 'playwright-core'

import { servePage } from './page.js'

const required = (name) => {
  const value = process.env[name]
  assert.ok(value, `${name} is not set; these tests need a running control plane with a model, and a browser`)
  return value
}

const model = required('CORRAL_MODEL')
const servers = {
  'with a key': { url: required('CORRAL_URL'), key: required('CORRAL_KEY'), model },
  'without a key': { url: required('CORRAL_KEYLESS_URL'), key: '', model },
}

let profile, browser, allowed, foreign

before(async () => {
  profile = await mkdtemp(join(tmpdir(), 'corral-browser-'))
  browser = await chromium.launchPersistentContext(profile, {
    executablePath: required('CORRAL_BROWSER'),
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  })
  allowed = await servePage(Number(required('CORRAL_PAGE_PORT')))
  foreign = await servePage(0)
})

after(async () => {
  await browser?.close()
  allowed?.close()
  foreign?.close()
  if (profile) await rm(profile, { recursive: true, force: true, maxRetries: 10 })
})

// open opens a page and closes it with the test.
const open = async (t, { url }) => {
  const page = await browser.newPage()
  t.after(() => page.close())
  await page.goto(url)
  return page
}

// What is evaluated below runs in the page and sees nothing of this file.

for (const [name, server] of Object.entries(servers)) {
  test(`${name}: the socket of the dashboard`, async (t) => {
    const page = await open(t, allowed)
    const seen = await page.evaluate(({ url, key, model }) => new Promise((resolve, reject) => {
      setTimeout(() => reject(new Error(`waited in vain; so far: ${JSON.stringify(seen)}`)), 20_000)
      const seen = {}
      const wanted = ['init', 'metrics_update', 'models_list', 'system_status', 'chat_response']
      const socket = window.io(url.replace(/^http/, 'ws'), { path: '/ws', transports: ['websocket'], auth: key ? { token: key } : undefined })
      socket.on('connect_error', (error) => reject(new Error(`refused: ${error.message}`)))
      socket.on('connect', () => {
        socket.emit('get_metrics')
        socket.emit('get_models')
        socket.emit('get_system_status')
        socket.emit('chat_request', { message: 'Hello?', model })
      })
      for (const event of wanted) {
        socket.on(event, (data) => {
          seen[event] = data
          if (wanted.every((e) => e in seen)) {
            socket.disconnect()
            resolve(seen)
          }
        })
      }
    }), server)
    assert.equal(typeof seen.metrics_update.cpu_usage, 'number')
    assert.ok(seen.models_list.some((m) => m.name === model), JSON.stringify(seen.models_list))
    assert.equal(seen.system_status.hosts.online, 1)
    assert.equal(seen.chat_response.model, model)
    assert.ok(seen.chat_response.tokens > 0 && seen.chat_response.message.length > 0)
  })

  test(`${name}: requests of the dashboard`, async (t) => {
    const page = await open(t, allowed)
    const answers = await page.evaluate(async ({ url, key, model }) => {
      const headers = key ? { Authorization: `Bearer ${key}` } : {}
      const ask = async (path, options = {}) => {
        const response = await fetch(url + path, { ...options, headers: { ...headers, ...options.headers } })
        return { status: response.status, body: await response.json() }
      }
      const json = (method, body) => ({ method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })
      const form = new FormData()
      form.append('file', new Blob(['GGUF']), 'model.gguf')
      form.append('name', 'uploaded')
      return {
        models: await ask('/api/models'),
        metrics: await ask('/api/metrics'),
        config: await ask('/api/config'),
        chat: await ask('/api/chat', json('POST', { message: 'Hello?', model })),
        missing: await ask('/api/chat', json('POST', { message: 'Hello?', model: 'missing' })),
        deleted: await ask('/api/models/missing', { method: 'DELETE' }),
        uploaded: await ask('/api/models', { method: 'POST', body: form }),
      }
    }, server)
    assert.equal(answers.models.status, 200)
    assert.equal(answers.metrics.body.hosts_reporting, 1)
    assert.equal(answers.config.body.security.jwt_secret, '***')
    assert.equal(answers.chat.body.model, model)
    assert.ok(answers.chat.body.tokens > 0)
    assert.equal(answers.missing.status, 404)
    assert.equal(answers.missing.body.code, 'not_found')
    assert.ok([404, 501].includes(answers.deleted.status), JSON.stringify(answers.deleted))
    assert.equal(answers.uploaded.status, 200, JSON.stringify(answers.uploaded))
    assert.equal(answers.uploaded.body.name, 'uploaded:latest')
    assert.equal(typeof answers.uploaded.body.status, 'string')
  })

  test(`${name}: a chat that streams`, async (t) => {
    const page = await open(t, allowed)
    const { type, events } = await page.evaluate(async ({ url, key, model }) => {
      const response = await fetch(`${url}/api/chat/stream`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...(key ? { Authorization: `Bearer ${key}` } : {}) },
        body: JSON.stringify({ message: 'Hello?', model }),
      })
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
      let text = ''
      for (;;) {
        const { done, value } = await reader.read()
        if (done) break
        text += value
      }
      return { type: response.headers.get('Content-Type'), events: text.split('\n\n').filter(Boolean) }
    }, server)
    assert.match(type, /^text\/event-stream/)
    const pieces = events.map((event) => JSON.parse(event.replace(/^data: /, '')))
    assert.ok(pieces.length > 3, `${pieces.length} events`)
    assert.deepEqual(pieces.map((p) => p.done), pieces.map((_, i) => i === pieces.length - 1))
  })
}

// What docs/uploads.md shows is run as it stands, but for what is the reader's own.
test('with a key: the uploads of the documentation', async (t) => {
  const page = await open(t, allowed)
  const { url, key } = servers['with a key']
  const parts = required('CORRAL_PARTS').split(',')
  await page.evaluate(() => document.body.append(Object.assign(document.createElement('input'), { type: 'file', multiple: true, id: 'files' })))
  await page.locator('#files').setInputFiles([required('CORRAL_GGUF'), ...parts])
  const shown = (await readFile(new URL('../../docs/uploads.md', import.meta.url), 'utf8')).matchAll(/^```js\n(.*?)^```$/gms)
  const examples = [...shown].map(([, code]) => code.replaceAll('http://HOST:11435', url))
  assert.equal(examples.length, 2)
  for (const code of examples) {
    await page.evaluate(({ code, key }) => {
      const [file, ...files] = document.getElementById('files').files
      const run = new Function('file', 'input', 'key', `return (async () => {${code}})()`)
      return run(file, { files }, key)
    }, { code, key })
  }
  const headers = { Authorization: `Bearer ${key}` }
  const model = async (name) => (await fetch(`${url}/api/models/${name}`, { headers })).json()
  for (const [name, count] of [['mine:1b', 1], ['mine:70b', parts.length]]) {
    const deadline = AbortSignal.timeout(30_000)
    for (;;) {
      const { status, progress, files } = await model(name)
      if (status === 'stored' && progress === null) {
        assert.equal(files.length, count, name)
        break
      }
      assert.notEqual(status, 'failed', name)
      deadline.throwIfAborted()
      await new Promise((wake) => setTimeout(wake, 50))
    }
    await fetch(`${url}/api/models/${name}?purge=true`, { method: 'DELETE', headers })
  }
})

test('a page of another origin gets nothing without a key', async (t) => {
  const page = await open(t, foreign)
  const { url } = servers['without a key']
  const outcome = await page.evaluate(async (url) => {
    const attempt = (call) => call.then(() => 'answered', () => 'refused')
    const socket = new Promise((resolve, reject) => {
      const ws = new WebSocket(`${url.replace(/^http/, 'ws')}/ws`)
      ws.onopen = resolve
      ws.onerror = reject
    })
    return {
      read: await attempt(fetch(`${url}/api/hosts`)),
      write: await attempt(fetch(`${url}/api/hosts/nobody/drain`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' })),
      socket: await attempt(socket),
    }
  }, url)
  assert.deepEqual(outcome, { read: 'refused', write: 'refused', socket: 'refused' })
})
