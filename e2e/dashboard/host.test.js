import assert from 'node:assert/strict'
import { test } from 'node:test'

import { signIn, useBrowser } from './browser.js'
import { required } from './environment.js'

const url = required('CORRAL_URL')
const admin = required('CORRAL_ADMIN_KEY')
const managed = required('CORRAL_MANAGED_HOST')
const open = useBrowser()

test('the fleet lists its hosts, finds them, and leads to one', async (t) => {
  const page = await open(t)
  await signIn(page, url, admin)
  const table = page.getByRole('table')
  await table.getByRole('link', { name: managed }).waitFor()
  await table.getByRole('link', { name: 'chatty' }).waitFor()
  await page.keyboard.press('/')
  await page.keyboard.type(managed)
  await page.waitForURL((at) => at.searchParams.get('q') === managed)
  await table.getByRole('link', { name: 'chatty' }).waitFor({ state: 'detached' })
  await table.getByRole('link', { name: managed }).click()
  await page.getByRole('heading', { level: 1, name: managed }).waitFor()
  await page.goBack()
  await page.waitForURL((at) => at.searchParams.get('q') === managed)
})

test('a host draws what it measures, as it comes', async (t) => {
  const page = await open(t)
  await signIn(page, url, admin, `/hosts/${managed}`)
  for (const title of ['CPU', 'Memory', 'Network', 'Disk']) {
    await page.getByRole('group', { name: title, exact: true }).locator('canvas').waitFor()
  }
  // The keys read values from the charts.
  await page.getByRole('group', { name: 'CPU', exact: true }).focus()
  await page.keyboard.press('ArrowLeft')
  await page.getByText(/CPU.*%/).first().waitFor()
})

test('Ollama is restarted and comes back before one\'s eyes', async (t) => {
  const page = await open(t)
  await signIn(page, url, admin, `/hosts/${managed}`)
  const before = await instance()
  await page.getByRole('button', { name: 'Restart Ollama' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('button', { name: 'Restart', exact: true }).click()
  await dialog.getByText('It is back.').waitFor({ timeout: 60_000 })
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
  const after = await instance()
  assert.notEqual(after.pid, before.pid, 'another process serves')
  assert.equal(after.state, 'ready')
})

test('a host is drained and gets requests again', async (t) => {
  const page = await open(t)
  await signIn(page, url, admin, `/hosts/${managed}`)
  await page.getByRole('button', { name: 'Drain' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Drain' }).click()
  await page.getByText('Draining: it gets no new requests').waitFor()
  await page.getByRole('button', { name: 'Let requests come again' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Let them come' }).click()
  await page.getByText('Draining: it gets no new requests').waitFor({ state: 'detached' })
})

test('what Ollama prints is followed', async (t) => {
  const page = await open(t)
  await signIn(page, url, admin, `/hosts/${managed}?tab=logs`)
  await page.getByText(/Listening on/).first().waitFor()
})

test('who may only look is offered nothing else', async (t) => {
  const page = await open(t)
  await signIn(page, url, required('CORRAL_VIEWER_KEY'), `/hosts/${managed}`)
  await page.getByText(/Operators can drain/).waitFor()
  assert.equal(await page.getByRole('button', { name: /Restart|Drain/ }).count(), 0)
})

// instance returns what the control plane knows of the managed Ollama.
const instance = async () => {
  const response = await fetch(`${url}/api/hosts/${managed}`, { headers: { Authorization: `Bearer ${admin}` } })
  return (await response.json()).instances[0]
}
