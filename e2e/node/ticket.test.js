import assert from 'node:assert/strict'
import { test } from 'node:test'

import { RawClient } from './rawclient.js'
import { assertFailure, assertMetrics, key, socketURL, url, within } from './server.js'

const base = socketURL(url)
const authorization = { Authorization: `Bearer ${key}` }

const ask = (path = '/api/tickets', headers = authorization) => fetch(url + path, { method: 'POST', headers })

const newTicket = async () => {
  const answer = await ask()
  assert.equal(answer.status, 200)
  assert.equal(answer.headers.get('cache-control'), 'no-store')
  const { ticket, expires_in_seconds: lifetime } = await answer.json()
  assert.match(ticket, /^crw_[\w-]{43}$/)
  assert.equal(lifetime, 30)
  return ticket
}

const refusal = (path) => within(new RawClient(base + path).refused, 'the refusal')

test('ticket: it opens a WebSocket, once', async (t) => {
  for (const path of ['/ws', '/ws/', '/api/ws', '/api/metrics/realtime']) {
    const address = `${path}?ticket=${await newTicket()}`
    const client = new RawClient(base + address)
    t.after(() => client.socket.terminate())
    assertMetrics((await client.ofType('metrics_update')).data)
    assert.equal(await refusal(address), 401)
    assert.equal(client.socket.readyState, client.socket.OPEN)
  }
})

test('ticket: it carries what its key may do', async (t) => {
  const client = new RawClient(`${base}/ws?ticket=${await newTicket()}`)
  t.after(() => client.socket.terminate())
  assert.equal((await client.ofType('init')).data.permission, 'operate')
})

test('ticket: it is good for a WebSocket alone', async (t) => {
  const ticket = await newTicket()
  const answers = [
    await fetch(`${url}/api/metrics?ticket=${ticket}`),
    await ask(`/api/tickets?ticket=${ticket}`, {}),
    await ask('/api/tickets', { Authorization: `Bearer ${ticket}` }),
    await ask(`/k/${ticket}/api/tickets`, {}),
  ]
  for (const answer of answers) {
    assert.equal(answer.status, 401, answer.url.replace(ticket, 'TICKET'))
    await answer.arrayBuffer()
  }
  assert.equal(await refusal(`/k/${ticket}/ws`), 401)
  // None of that has spent it.
  const client = new RawClient(`${base}/ws?ticket=${ticket}`)
  t.after(() => client.socket.terminate())
  await client.ofType('init')
})

test('ticket: without a key there is none, and a made-up one opens nothing', async () => {
  assertFailure({ event: null, ...(await (await ask('/api/tickets', {})).json()) }, null, 'unauthenticated')
  assert.equal(await refusal(`/ws?ticket=crw_${'A'.repeat(43)}`), 401)
})
