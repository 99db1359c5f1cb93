// Where the control plane under test is, and what the tests may expect of it.
import assert from 'node:assert/strict'

const required = (name) => {
  const value = process.env[name]
  assert.ok(value, `${name} is not set; these tests need a running control plane with a model`)
  return value
}

export const url = required('CORRAL_URL').replace(/\/$/, '')
export const key = required('CORRAL_KEY') // of an operator
export const model = process.env.CORRAL_MODEL ?? 'corral-demo:latest'
// What streams that are aborted are asked of: another model, and so another
// runner, than the one that has to go on answering.
export const endlessModel = process.env.CORRAL_ENDLESS_MODEL ?? model
// Of several hosts by these names each has a model that one test alone asks,
// which may take it out of memory.
export const hosts = process.env.CORRAL_HOSTS?.split(',') ?? []
export const roamingModel = process.env.CORRAL_ROAMING_MODEL
export const keylessURL = process.env.CORRAL_KEYLESS_URL?.replace(/\/$/, '') // lets everybody in
export const ggufFile = process.env.CORRAL_GGUF // of a model that no host has
export const wrongKey = 'crl_' + 'A'.repeat(43)

export const needsKeyless = { skip: keylessURL ? false : 'CORRAL_KEYLESS_URL is not set' }

export const needsGGUF = { skip: ggufFile ? false : 'CORRAL_GGUF is not set' }

export const needsHosts = { skip: hosts.length > 1 && roamingModel ? false : 'CORRAL_HOSTS does not name several hosts, or CORRAL_ROAMING_MODEL is not set' }

export const socketURL = (base) => base.replace(/^http/, 'ws')

const patienceMillis = 15_000

// within rejects when a promise is not settled in time, and says what was awaited.
export const within = (promise, what) => {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), patienceMillis)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

// until asks again and again until a condition holds for what it is told, as of
// what hosts tell a moment after it was so.
export const until = async (ask, holds, what) => {
  let told
  for (const deadline = Date.now() + patienceMillis; Date.now() < deadline; await new Promise((wake) => setTimeout(wake, 50))) {
    told = await ask()
    if (holds(told)) return told
  }
  assert.fail(`waited in vain for ${what}: ${JSON.stringify(told)}`)
}

export const assertMetrics = (m) => {
  const fields = ['active_models', 'total_requests', 'avg_response_time', 'cpu_usage', 'memory_usage', 'active_connections']
  for (const field of fields) assert.equal(typeof m[field], 'number', `${field} in ${JSON.stringify(m)}`)
  for (const field of ['active_models', 'total_requests', 'active_connections']) assert.ok(Number.isInteger(m[field]), field)
  assert.ok(m.active_connections >= 1, 'the connection that asks is counted')
}

export const assertModels = (list) => {
  assert.ok(Array.isArray(list))
  const found = list.find((m) => m.name === model)
  assert.ok(found, `${model} is not in ${JSON.stringify(list.map((m) => m.name))}`)
  for (const field of ['id', 'name', 'status']) assert.equal(typeof found[field], 'string', field)
  assert.ok(Number.isInteger(found.size) && found.size > 0, 'size')
  assert.ok(['loaded', 'available'].includes(found.status), found.status)
  assert.equal(found.progress, null)
  assert.equal(found.description, null)
}

export const assertStatus = (s) => {
  assert.ok(['ok', 'degraded', 'starting'].includes(s.status), s.status)
  assert.equal(typeof s.version, 'string')
  assert.ok(s.hosts.online >= 1)
  assert.ok(s.models.total >= 1)
  for (const field of ['storage', 'problems']) assert.ok(Array.isArray(s[field]), field)
}

export const assertAnswer = (a) => {
  assert.equal(typeof a.message, 'string')
  assert.ok(a.message.length > 0)
  assert.equal(a.model, model)
  assert.ok(Number.isInteger(a.tokens) && a.tokens > 0, 'tokens')
  assert.ok(Number.isInteger(a.response_time) && a.response_time >= 0, 'response_time')
}

export const assertFailure = (f, event, code) => {
  assert.equal(f.event, event)
  assert.equal(f.code, code)
  assert.equal(typeof f.error, 'string')
  assert.ok(f.error.length > 0)
}

// storedFiles stores a.txt and b/c.txt in a folder of the default storage, which it
// returns, and deletes them when the test ends.
export const storedFiles = async (t, name) => {
  const folder = `node-${name}/`
  const file = (path, method, body) => fetch(`${url}/api/storage/default/file?path=${encodeURIComponent(path)}`, {
    method, body, headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/octet-stream' },
  })
  for (const path of [`${folder}a.txt`, `${folder}b/c.txt`]) {
    const stored = await file(path, 'PUT', path)
    assert.equal(stored.status, 201, await stored.text())
    t.after(async () => assert.equal((await file(path, 'DELETE')).status, 204))
  }
  return folder
}

// assertFiles expects these paths, of which those that end in a slash are folders.
export const assertFiles = (files, paths) => {
  assert.deepEqual(files.map((file) => file.path).sort(), paths)
  for (const file of files) {
    assert.equal(file.storage, 'default')
    assert.ok(file.url.endsWith(file.path), file.url)
    assert.equal(typeof file.modified, 'string')
    assert.equal(file.size, file.path.endsWith('/') ? 0 : file.path.length)
    assert.equal(file.folder ?? false, file.path.endsWith('/'))
  }
}
