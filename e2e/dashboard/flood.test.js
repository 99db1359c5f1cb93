import assert from 'node:assert/strict'
import { test } from 'node:test'

import { signIn, useBrowser } from './browser.js'
import { required } from './environment.js'
import { startProxy } from './proxy.js'

const admin = required('CORRAL_ADMIN_KEY')
const open = useBrowser()

// longestPause returns how long the page's thread was busy without a rest, at
// worst, until the promise that does something to it is done.
const longestPause = async (page, something) => {
  await page.evaluate(() => {
    window.worst = 0
    let last = performance.now()
    window.clock = setInterval(() => {
      const now = performance.now()
      window.worst = Math.max(window.worst, now - last)
      last = now
    }, 20)
  })
  await something()
  return page.evaluate(() => { clearInterval(window.clock); return window.worst })
}

test('ten thousand lines of log a second', async (t) => {
  const server = await startProxy(t, required('CORRAL_URL'))
  const managed = required('CORRAL_MANAGED_HOST')
  const hosts = await (await fetch(`${required('CORRAL_URL')}/api/hosts`, { headers: { Authorization: `Bearer ${admin}` } })).json()
  const { id } = hosts.find(({ name }) => name === managed)
  let timer
  t.after(() => clearInterval(timer))
  const flood = (request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' })
    let n = 0
    timer = setInterval(() => {
      let lines = ''
      for (let i = 0; i < 500; i++) lines += `line ${++n} of what a runner that has lost its mind prints, <b>again</b> and again\n`
      response.write(lines)
    }, 50)
    response.on('close', () => clearInterval(timer))
  }
  for (const ref of [id, managed]) server.answer(`/api/hosts/${ref}/logs`, flood)
  const page = await open(t)
  await signIn(page, server.url, admin, `/hosts/${managed}?tab=logs`)
  await page.getByText(/line \d+ of what a runner/).first().waitFor()
  const pause = await longestPause(page, () => page.waitForTimeout(5000))
  assert.ok(pause < 1000, `the page stood still for ${pause} ms`)
  const text = await page.locator('main').innerText()
  const newest = Math.max(...[...text.matchAll(/line (\d+) of/g)].map(([, n]) => Number(n)))
  assert.ok(newest > 20_000, `the newest line that is shown after five seconds is ${newest}`)
  await page.getByRole('link', { name: 'Models', exact: true }).click() // and it can be left
  await page.waitForURL(/\/models/)
  await page.getByRole('heading', { name: 'Models', level: 1 }).waitFor()
})

test('five hundred models with long names', async (t) => {
  const server = await startProxy(t, required('CORRAL_URL'))
  const models = Array.from({ length: 500 }, (_, i) => ({
    id: `m_${i}`, name: `${'a-very-long-name-of-a-model-'.repeat(11)}${String(i).padStart(3, '0')}:latest`, digest: String(i).padStart(64, '0'), size: i * 1e9,
    status: 'available', progress: null, description: null, conflict: false, digests: [String(i).padStart(64, '0')],
    residencies: [{ host_id: 'h', host: 'chatty', instance: 'default', digest: String(i).padStart(64, '0'), status: 'available', size_vram: 0 }],
  }))
  server.answer('/api/models', (_, response) => { response.writeHead(200, { 'Content-Type': 'application/json' }); response.end(JSON.stringify(models)) })
  const page = await open(t)
  await page.routeWebSocket(/\/ws$/, (socket) => { // the real one would tell of the real models
    const through = socket.connectToServer()
    through.onMessage((message) => { if (!String(message).startsWith('{"type":"models_list"')) socket.send(message) })
  })
  await signIn(page, server.url, admin, '/models')
  await page.getByText(/499:latest|000:latest/).first().waitFor()
  const search = page.getByRole('searchbox')
  // A page that freezes does so each time; a busy machine may stretch one of them.
  let pause = Infinity
  for (let i = 0; i < 3 && pause >= 500; i++) {
    pause = Math.min(pause, await longestPause(page, async () => {
      await search.fill('137:latest')
      await page.getByText(/137:latest/).first().waitFor()
      await search.fill('')
      await page.getByRole('button', { name: /Size/ }).click()
      await page.waitForTimeout(500)
    }))
  }
  assert.ok(pause < 500, `the page stood still for ${pause} ms`)
  const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth])
  assert.ok(inner <= outer, `the page is ${inner} px wide on a screen of ${outer}`)
})
