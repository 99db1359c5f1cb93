import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { after, test } from 'node:test'

import { io } from 'socket.io-client'
import { Upload } from 'tus-js-client'

import { startCutting } from './cutting.js'
import { RawClient } from './rawclient.js'
import { ggufFile, key, needsGGUF, socketURL, until, url, within } from './server.js'

const authorized = { Authorization: `Bearer ${key}` }
const sha256 = (content) => createHash('sha256').update(content).digest('hex')

// What was uploaded here is no model, but for one file, and is told as a failure until it
// is deleted.
const names = new Set()
const named = (name) => { names.add(name); return name }
after(async () => {
  for (const name of names) await fetch(`${url}/api/models/${name}?purge=true`, { method: 'DELETE', headers: authorized })
})

// begin begins an upload; done settles with the upload when that has ended.
const begin = (content, metadata, options = {}) => {
  let upload
  const ended = new Promise((resolve, reject) => {
    upload = new Upload(content, {
      endpoint: `${options.at ?? url}/api/uploads`, headers: authorized, metadata, retryDelays: [0, 10, 20, 50, 100, 200],
      onSuccess: () => resolve(upload), onError: reject, ...options,
    })
  })
  ended.catch(() => {}) // of those that a test leaves
  return { upload, get done() { return within(ended, 'the end of an upload') } }
}

const start = (...args) => {
  const begun = begin(...args)
  begun.upload.start()
  return begun
}

// state asks where an upload is.
const state = async (at) => {
  const response = await fetch(at, { method: 'HEAD', headers: { ...authorized, 'Tus-Resumable': '1.0.0' } })
  return { status: response.status, offset: Number(response.headers.get('Upload-Offset')), length: Number(response.headers.get('Upload-Length')) }
}

// stored waits until a model is stored.
const stored = (name) => until(
  async () => (await fetch(`${url}/api/models/${name}`, { headers: authorized })).json(),
  (model) => model.status === 'stored' && model.progress === null, `${name} to be stored`,
)

const assertWhole = async (upload, content) => {
  assert.deepEqual(await state(upload.url), { status: 200, offset: content.length, length: content.length })
}

// rejected expects an upload to fail with this status and code.
const rejected = async (done, status, code) => {
  const err = await done.then(() => assert.fail('the upload succeeded'), (err) => err)
  assert.equal(err.originalResponse?.getStatus(), status, String(err))
  assert.equal(JSON.parse(err.originalResponse.getBody()).code, code)
}

test('tus: a file is uploaded, and its bytes are checked', async () => {
  const content = randomBytes(3_000_001)
  const heard = []
  const { done } = start(content, { filename: 'whole.bin', name: named('tus-whole'), sha256: sha256(content) }, { onProgress: (sent) => heard.push(sent) })
  await assertWhole(await done, content)
  assert.equal(heard.at(-1), content.length)
})

test('tus: a file in many pieces, each with its checksum', async () => {
  const content = randomBytes(500_001)
  const { done } = start(content, { filename: 'pieces.bin', name: named('tus-pieces'), sha256: sha256(content) }, {
    chunkSize: 100_000, uploadDataDuringCreation: true,
    onBeforeRequest: (request) => {
      const from = Number(request.getHeader('Upload-Offset') ?? 0)
      if (request.getMethod() === 'HEAD') return
      const sum = createHash('sha256').update(content.subarray(from, from + 100_000)).digest('base64')
      request.setHeader('Upload-Checksum', `sha256 ${sum}`)
    },
  })
  await assertWhole(await done, content)
})

test('tus: a piece that is damaged on its way comes again', async () => {
  const content = randomBytes(200_000)
  let damaged = 0
  const statuses = []
  const { done } = start(content, { filename: 'damaged.bin', name: named('tus-damaged'), sha256: sha256(content) }, {
    onBeforeRequest: (request) => {
      if (request.getMethod() !== 'PATCH') return
      const sum = createHash('sha1').update(damaged++ === 0 ? 'something else' : content).digest('base64')
      request.setHeader('Upload-Checksum', `sha1 ${sum}`)
    },
    onAfterResponse: (request, response) => statuses.push(response.getStatus()),
    onShouldRetry: (err) => err.originalResponse?.getStatus() === 460,
  })
  await assertWhole(await done, content)
  assert.deepEqual(statuses, [201, 460, 200, 204])
})

test('tus: an upload is paused and goes on where it was', async () => {
  const content = randomBytes(4_000_000)
  let pause
  const paused = new Promise((resolve) => { pause = resolve })
  const { upload, done } = begin(content, { filename: 'paused.bin', name: named('tus-paused'), sha256: sha256(content) }, {
    chunkSize: 500_000, onChunkComplete: (size, accepted) => { if (accepted === 1_500_000) pause(upload.abort()) },
  })
  upload.start()
  await within(paused, 'the pause')
  const { offset } = await state(upload.url)
  assert.ok(offset >= 1_500_000 && offset < content.length, `paused at ${offset}`)
  upload.start()
  await assertWhole(await done, content)
})

test('tus: a page that was closed finds its upload again', async () => {
  const content = randomBytes(1_000_000)
  const metadata = { filename: 'again.bin', name: named('tus-again'), sha256: sha256(content) }
  let first
  const left = new Promise((resolve) => {
    ({ upload: first } = begin(content, metadata, { chunkSize: 300_000, onChunkComplete: () => resolve(first.abort()) }))
    first.start()
  })
  await within(left, 'the first piece')
  const { upload, done } = begin(content, metadata, { uploadUrl: first.url })
  let begun
  upload.options.onProgress = (sent) => { begun ??= sent }
  upload.start()
  await assertWhole(await done, content)
  assert.ok(begun >= 300_000, `it went on at ${begun}`)
})

test('tus: a line that is cut ten times', async (t) => {
  const content = randomBytes(4_000_000)
  const line = await startCutting(t, url, 10, 300_000)
  const { done } = start(content, { filename: 'cut.bin', name: named('tus-cut'), sha256: sha256(content) }, { at: line.url })
  await done
  assert.equal(line.cuts(), 10)
})

test('tus: two clients at one upload', async () => {
  const content = randomBytes(2_000_000)
  const options = { chunkSize: 50_000, retryDelays: Array(40).fill(5) }
  const { upload, done } = start(content, { filename: 'rivals.bin', name: named('tus-rivals'), sha256: sha256(content) }, options)
  while (!upload.url) await new Promise((wake) => setTimeout(wake, 1))
  const rival = start(content, {}, { ...options, uploadUrl: upload.url })
  await Promise.all([done, rival.done])
  await assertWhole(upload, content)
})

test('tus: content that is known is done at once', needsGGUF, async () => {
  const content = await readFile(ggufFile)
  const metadata = (name) => ({ filename: 'known.gguf', name: named(name), sha256: sha256(content) })
  await start(content, metadata('tus-known')).done
  await stored('tus-known')
  const methods = []
  const { done } = start(content, metadata('tus-same'), { onAfterResponse: (request, response) => methods.push(`${request.getMethod()} ${response.getHeader('Upload-Offset')}`) })
  await assertWhole(await done, content)
  assert.equal(methods[0], `POST ${content.length}`)
  await stored('tus-same')
})

test('tus: a wrong sha256 is a failure that lasts', async () => {
  const content = randomBytes(10_000)
  const { upload, done } = start(content, { filename: 'wrong.bin', name: named('tus-wrong'), sha256: sha256('something else') })
  await rejected(done, 400, 'invalid')
  assert.equal((await state(upload.url)).status, 410)
})

test('tus: an upload is ended', async () => {
  const { upload, done } = start(randomBytes(10_000), { filename: 'ended.bin', name: named('tus-ended') })
  await done
  await upload.abort(true)
  assert.equal((await state(upload.url)).status, 404)
})

test('tus: cancelling its operation ends an upload', async () => {
  const name = named('tus-cancelled')
  const created = await fetch(`${url}/api/uploads`, {
    method: 'POST', headers: { ...authorized, 'Tus-Resumable': '1.0.0', 'Upload-Length': '5', 'Upload-Metadata': `name ${btoa(name)}` },
  })
  const ask = async (path, method = 'GET') => (await fetch(url + path, { method, headers: authorized })).json()
  const operation = (await ask('/api/operations')).find((o) => o.model === `${name}:latest`)
  assert.equal(operation.kind, 'upload')
  assert.equal((await ask(`/api/models/${name}`)).status, 'uploading')
  await ask(`/api/operations/${operation.id}/cancel`, 'POST')
  await until(() => ask(`/api/operations/${operation.id}`), (o) => o.state === 'cancelled', 'the end of the operation')
  assert.equal((await state(new URL(created.headers.get('Location'), url))).status, 404)
})

test('tus: names that nobody should have', async () => {
  for (const name of ['x'.repeat(300), '../../etc/passwd', 'a/../b', 'a\0b', '🦙', ' ', 'a b', 'a:b:c']) {
    const { done } = start(Buffer.from('x'), { name, filename: name }, { retryDelays: [] })
    await rejected(done, 400, 'invalid')
  }
})

test('tus: what is not there, and what is too much', async () => {
  const tus = (method, path, headers = {}, body) => fetch(url + path, { method, headers: { ...authorized, 'Tus-Resumable': '1.0.0', ...headers }, body })
  assert.equal((await tus('HEAD', '/api/uploads/u_nobody')).status, 404)
  assert.equal((await tus('DELETE', '/api/uploads/u_nobody')).status, 404)
  const created = await tus('POST', '/api/uploads', { 'Upload-Length': '5', 'Upload-Metadata': `name ${btoa('tus-long')}` })
  const at = new URL(created.headers.get('Location'), url).pathname
  const piece = { 'Content-Type': 'application/offset+octet-stream', 'Upload-Offset': '0' }
  assert.equal((await tus('PATCH', at, piece, 'longer')).status, 413)
  assert.equal((await tus('PATCH', at, { ...piece, 'Upload-Offset': '1' }, 'four')).status, 409)
  assert.equal((await tus('DELETE', at)).status, 204)
})

test('tus: a page of an allowed origin may use all of it', async () => {
  const origin = 'http://localhost:3000'
  const asked = 'authorization,content-type,tus-resumable,upload-checksum,upload-length,upload-metadata,upload-offset'
  for (const [path, method] of [['/api/uploads', 'POST'], ['/api/uploads/x', 'PATCH'], ['/api/uploads/x', 'HEAD'], ['/api/uploads/x', 'DELETE']]) {
    const preflight = await fetch(url + path, {
      method: 'OPTIONS', headers: { Origin: origin, 'Access-Control-Request-Method': method, 'Access-Control-Request-Headers': asked },
    })
    assert.equal(preflight.status, 204)
    assert.equal(preflight.headers.get('Access-Control-Allow-Origin'), origin)
    assert.ok(preflight.headers.get('Access-Control-Allow-Methods').split(', ').includes(method), method)
    assert.equal(preflight.headers.get('Access-Control-Allow-Headers'), asked)
  }
  const created = await fetch(`${url}/api/uploads`, {
    method: 'POST', headers: { ...authorized, Origin: origin, 'Tus-Resumable': '1.0.0', 'Upload-Length': '5', 'Upload-Metadata': `name ${btoa(named('tus-page'))}` },
  })
  assert.equal(created.status, 201)
  const readable = created.headers.get('Access-Control-Expose-Headers').split(', ')
  for (const [name] of created.headers) {
    if (/^(tus-|upload-|corral-|location$)/i.test(name)) assert.ok(readable.some((r) => r.toLowerCase() === name), `${name} can't be read`)
  }
  const at = new URL(created.headers.get('Location'), url)
  assert.equal((await fetch(at, { method: 'DELETE', headers: { ...authorized, Origin: origin, 'Tus-Resumable': '1.0.0' } })).status, 204)
})

test('a model of which files are missing is refused before they come', async () => {
  const files = ['large-00001-of-00003.gguf', 'large-00003-of-00003.gguf'].map((filename) => ({ filename, size: 1 }))
  const said = /files are missing: large-00002-of-00003\.gguf/
  const announced = async () => fetch(`${url}/api/uploads`, {
    method: 'POST', headers: { ...authorized, 'Content-Type': 'application/json' }, body: JSON.stringify({ name: 'large', files }),
  })
  // Loaders that don't run yet are not waited for; then it is told when the files are there.
  const refused = await until(announced, ({ status }) => status === 400, 'the loaders')
  const { code, error } = await refused.json()
  assert.equal(code, 'invalid')
  assert.match(error, said)
  const form = new FormData()
  for (const { filename } of files) form.append('file', new Blob(['x']), filename)
  const response = await fetch(`${url}/api/models`, { method: 'POST', headers: authorized, body: form })
  assert.equal(response.status, 400)
  assert.match((await response.json()).error, said)
})

test('form: files in any order of parts', async () => {
  const content = randomBytes(700_001)
  const form = new FormData()
  form.append('file', new Blob([content]), 'form.bin')
  form.append('sha256', sha256(content))
  form.append('name', named('form-one'))
  const response = await fetch(`${url}/api/models`, { method: 'POST', headers: authorized, body: form })
  const model = await response.json()
  assert.equal(response.status, 200, JSON.stringify(model))
  assert.equal(model.name, 'form-one:latest')
  assert.equal(model.size, content.length)
  assert.ok(model.id.startsWith('m_'))
})

test('raw: upload_model takes a small file along', async () => {
  const client = new RawClient(`${socketURL(url)}/ws`, { headers: authorized })
  await client.ofType('init')
  const content = randomBytes(100_000)
  client.send(JSON.stringify({
    event: 'upload_model', id: 1, data: { name: named('raw-upload'), filename: 'raw.bin', content: content.toString('base64'), sha256: sha256(content) },
  }))
  const first = await client.next((f) => f.id === 1, 'the first progress')
  assert.equal(first.type, 'model_progress')
  assert.equal(first.data.progress, 0)
  const list = await client.next((f) => f.id === 1, 'the list of models')
  assert.equal(list.type, 'models_list')
  assert.ok(list.data.some((m) => m.id === first.data.model_id))
  await client.close()
})

test('socket.io: upload_model says where a large file goes, and its progress is pushed', needsGGUF, async (t) => {
  const socket = io(socketURL(url), { path: '/ws', transports: ['websocket'], forceNew: true, auth: { token: key } })
  t.after(() => socket.disconnect())
  await within(new Promise((resolve) => socket.once('init', resolve)), 'the greeting')
  const content = await readFile(ggufFile)
  const told = []
  let model
  const finished = new Promise((resolve) => {
    socket.on('model_progress', (p) => {
      if (p.name !== 'io-upload:latest') return
      told.push(p.progress)
      if (p.progress === 100) resolve()
    })
  })
  model = await within(socket.emitWithAck('upload_model', { name: named('io-upload'), filename: 'io.gguf', size: content.length }), 'the address')
  assert.equal(model.progress, 0)
  const { upload, done } = begin(content, {}, { uploadUrl: new URL(model.upload_url, url).href, chunkSize: 4000 })
  upload.start()
  await done
  await within(finished, 'the last progress')
  assert.deepEqual(told, [...told].sort((a, b) => a - b))
  await stored('io-upload')
})
