import { test } from 'node:test'

import { live, signIn, useBrowser } from './browser.js'
import { required } from './environment.js'
import { startProxy } from './proxy.js'

const admin = required('CORRAL_ADMIN_KEY')
const open = useBrowser()

test('a server that is gone and back', async (t) => {
  const server = await startProxy(t, required('CORRAL_URL'))
  const page = await open(t)
  await signIn(page, server.url, admin)
  await live(page).waitFor()
  await server.gone()
  await page.getByText(/cannot be reached\. What you see is .* old/).waitFor()
  await server.back()
  await page.getByRole('button', { name: 'Try now' }).click()
  await live(page).waitFor()
  await page.getByText(/cannot be reached/).waitFor({ state: 'hidden' })
})

test('a page that is opened while the server is gone comes to life with it', async (t) => {
  const server = await startProxy(t, required('CORRAL_URL'))
  const page = await open(t)
  await signIn(page, server.url, admin)
  await live(page).waitFor()
  server.answer('/api/session', (_, response) => response.destroy())
  server.answer('/api/hosts', (_, response) => response.destroy())
  await page.reload()
  await live(page).waitFor()
})

test('a WebSocket that drops again and again', async (t) => {
  const server = await startProxy(t, required('CORRAL_URL'))
  const page = await open(t)
  await signIn(page, server.url, admin)
  for (let i = 0; i < 3; i++) {
    await live(page).waitFor()
    server.cut()
    await page.getByText(/Reconnecting|Connecting/).waitFor()
  }
  await live(page).waitFor()
})
