// Measures what the dashboard costs a browser: what a first load takes, how busy
// the page's main thread is while a fleet reports each second, whether its heap
// grows, and how long a change of the page takes. Prints JSON.
//
// Environment: CORRAL_BROWSER, CORRAL_URL, CORRAL_ADMIN_KEY, CORRAL_SECONDS (of
// each measurement of the main thread), CORRAL_HEAP_SECONDS.
import { launch } from './browser.js'
import { required } from './environment.js'

const url = required('CORRAL_URL')
const seconds = Number(required('CORRAL_SECONDS'))
const heapSeconds = Number(required('CORRAL_HEAP_SECONDS'))

const browser = await launch()
try {
  const context = await browser.newContext({ viewport: { width: 1440, height: 1000 } })
  const answer = await context.request.post(`${url}/api/login`, { data: { key: required('CORRAL_ADMIN_KEY') }, headers: { Origin: url } })
  if (!answer.ok()) throw new Error(`sign-in: ${answer.status()} ${await answer.text()}`)
  const page = await context.newPage()
  page.on('pageerror', (error) => { throw error })
  const devtools = await context.newCDPSession(page)
  await devtools.send('Performance.enable')

  // What the browser loads for the first room, as it came over the wire.
  let scripts = 0
  await devtools.send('Network.enable')
  const kinds = new Map()
  devtools.on('Network.responseReceived', ({ requestId, type }) => kinds.set(requestId, type))
  devtools.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    if (kinds.get(requestId) === 'Script') scripts += encodedDataLength
  })
  const began = Date.now()
  await page.goto(`${url}/fleet`)
  await page.getByRole('table').waitFor()
  const firstRoomMs = Date.now() - began
  await page.waitForTimeout(2000)
  const firstLoadScriptBytes = scripts

  const metric = async (name) => {
    const { metrics } = await devtools.send('Performance.getMetrics')
    return metrics.find((one) => one.name === name).value
  }
  const busyPercent = async (forSeconds) => {
    const [task, at] = [await metric('TaskDuration'), await metric('Timestamp')]
    await page.waitForTimeout(forSeconds * 1000)
    return 100 * (await metric('TaskDuration') - task) / (await metric('Timestamp') - at)
  }
  const heapBytes = async () => {
    await devtools.send('HeapProfiler.collectGarbage')
    return metric('JSHeapUsedSize')
  }

  const fleetPercent = await busyPercent(seconds)
  const firstHost = await page.locator('main table a[href^="/hosts/"]').first().getAttribute('href')
  await page.goto(url + firstHost)
  await page.locator('canvas').first().waitFor()
  const hostPercent = await busyPercent(seconds)

  // Pages are changed as people do it, by the links, and have changed when the
  // new room has been painted.
  const change = (label) => page.evaluate((text) => new Promise((resolve) => {
    const link = [...document.querySelectorAll('nav a')].find((one) => one.textContent === text)
    const start = performance.now()
    const before = document.querySelector('main h1')?.textContent
    link.click()
    const look = () => {
      const now = document.querySelector('main h1')?.textContent
      if (now && now !== before) return requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start)))
      requestAnimationFrame(look)
    }
    requestAnimationFrame(look)
  }), label)
  for (const label of ['Models', 'Chat', 'Fleet']) await change(label) // loads what a room needs
  const changes = []
  for (let i = 0; i < 10; i++) {
    for (const label of ['Models', 'Chat', 'Fleet']) {
      changes.push(await change(label))
      await page.waitForTimeout(150)
    }
  }
  changes.sort((a, b) => a - b)

  // The heap, after the garbage is gone, in ten equal parts of the time.
  await page.waitForTimeout(15_000)
  const heap = [await heapBytes()]
  for (let i = 0; i < 10; i++) {
    await page.waitForTimeout(heapSeconds * 100)
    heap.push(await heapBytes())
  }
  console.log(JSON.stringify({
    browser: browser.version(), firstLoadScriptBytes, firstRoomMs, fleetPercent, hostPercent,
    changeMedianMs: changes[Math.floor(changes.length / 2)], changeP95Ms: changes[Math.floor(changes.length * 0.95)], heapBytes: heap,
  }))
} finally {
  await browser.close()
}
