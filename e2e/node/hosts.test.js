// What the dashboard hears of hosts: topics that a client has to ask for.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { RawClient } from './rawclient.js'
import { assertFailure, key, model, socketURL, url } from './server.js'

const bearer = { headers: { Authorization: `Bearer ${key}` } }

const connect = async (t) => {
  const client = new RawClient(`${socketURL(url)}/ws`, bearer)
  t.after(() => client.socket.terminate())
  return { client, init: await client.ofType('init') }
}

// steady leaves out what changes with each sample.
const steady = (hosts) => hosts.map(({ sample, last_frame_at, ...host }) => host)

const assertHosts = (hosts) => {
  assert.ok(Array.isArray(hosts) && hosts.length >= 1)
  for (const host of hosts) {
    for (const field of ['id', 'name', 'state']) assert.equal(typeof host[field], 'string', field)
    for (const field of ['problems', 'instances']) assert.ok(Array.isArray(host[field]), field)
    assert.ok('sample' in host)
    if (host.sample) assert.ok(Array.isArray(host.sample.gpus), 'gpus')
  }
}

const optionalNumbers = [
  'cpu_percent', 'memory_used_bytes', 'memory_total_bytes', 'received_bytes_per_second', 'sent_bytes_per_second',
  'read_bytes_per_second', 'written_bytes_per_second',
]

const assertHostMetrics = (m) => {
  assert.ok(!Number.isNaN(Date.parse(m.at)), m.at)
  assert.ok(Number.isInteger(m.sequence) && m.sequence > 0, `sequence ${m.sequence}`)
  assert.ok(Array.isArray(m.hosts))
  for (const host of m.hosts) {
    assert.equal(typeof host.id, 'string')
    assert.ok(!Number.isNaN(Date.parse(host.taken_at)), host.taken_at)
    assert.ok(Number.isInteger(host.in_flight))
    assert.ok(Array.isArray(host.gpus))
    for (const field of optionalNumbers) {
      if (field in host) assert.ok(typeof host[field] === 'number' && host[field] >= 0, `${field} in ${JSON.stringify(host)}`)
    }
  }
}

test('hosts: nobody is told of them unasked', async (t) => {
  const { client, init } = await connect(t)
  assert.deepEqual(init.data.topics, ['metrics_update', 'models_list', 'model_progress'])
  const heard = []
  client.socket.on('message', (data) => heard.push(JSON.parse(data.toString()).type))
  for (let i = 0; i < 3; i++) await client.ofType('metrics_update')
  assert.ok(!heard.includes('hosts_list') && !heard.includes('host_metrics'), heard.join(' '))
  const [failure] = await client.ask('subscribe', { topics: ['weather'] })
  assertFailure(failure.data, 'subscribe', 'invalid')
  assert.match(failure.data.error, /hosts_list.*host_metrics/)
})

test('hosts: the list comes at once, as the API has it', async (t) => {
  const { client } = await connect(t)
  const [told] = await client.ask('subscribe', { topics: ['hosts_list'] })
  assert.ok(told.data.topics.includes('hosts_list') && !told.data.topics.includes('host_metrics'))
  let listed = (await client.ofType('hosts_list')).data
  assertHosts(listed)
  // Other tests call models meanwhile, which changes the hosts: the lists agree in the end.
  for (let tries = 0; ; tries++) {
    const response = await fetch(`${url}/api/hosts`, bearer)
    assert.equal(response.status, 200)
    const asked = await response.json()
    try {
      assert.deepEqual(steady(listed), steady(asked))
      break
    } catch (err) {
      if (tries === 5) throw err
      listed = (await client.ofType('hosts_list')).data
    }
  }
})

test('hosts: a change is told', async (t) => {
  const { client } = await connect(t)
  await client.ask('subscribe', { topics: ['hosts_list'] })
  const before = (await client.ofType('hosts_list')).data
  await client.ask('chat_request', { message: 'Hello', model })
  const loaded = (host) => host.instances.some((i) => i.loaded.some((m) => m.name === model))
  const after = await client.next((f) => f.type === 'hosts_list' && f.data.some(loaded), 'a list with the model in memory')
  assert.notDeepEqual(steady(after.data), steady(before))
})

test('hosts: the numbers come at once and then each second', async (t) => {
  const { client } = await connect(t)
  await client.ask('subscribe', { topics: ['host_metrics'] })
  let last = 0
  const reporting = new Set()
  for (let i = 0; i < 4; i++) {
    const { data } = await client.ofType('host_metrics')
    assertHostMetrics(data)
    assert.ok(data.sequence > last, `${data.sequence} after ${last}`)
    last = data.sequence
    for (const host of data.hosts) if (host.cpu_percent !== undefined && host.memory_total_bytes > 0) reporting.add(host.id)
  }
  assert.ok(reporting.size >= 1, 'no host has told of its processors and memory')
  const [told] = await client.ask('unsubscribe', { topics: ['host_metrics'] })
  assert.ok(!told.data.topics.includes('host_metrics'))
})
