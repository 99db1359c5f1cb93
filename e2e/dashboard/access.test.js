import assert from 'node:assert/strict'
import { test } from 'node:test'

import { assertFits, narrow, serious } from './access.js'
import { live, signIn, useBrowser } from './browser.js'
import { required } from './environment.js'

const url = required('CORRAL_URL')
const admin = required('CORRAL_ADMIN_KEY')
const open = useBrowser()

const rooms = {
  fleet: '/fleet',
  host: `/hosts/${required('CORRAL_MANAGED_HOST')}`,
  logs: `/hosts/${required('CORRAL_MANAGED_HOST')}?tab=logs`,
  models: '/models',
  model: `/models/${encodeURIComponent(required('CORRAL_MODEL'))}`,
  operations: '/operations',
  storage: '/storage',
  files: '/storage?name=default',
  chat: '/chat',
}

for (const colorScheme of ['light', 'dark']) {
  test(`nothing in the rooms keeps anybody out, ${colorScheme}`, async (t) => {
    const page = await open(t, { colorScheme })
    await page.goto(`${url}/login`)
    await page.getByLabel('Key').waitFor()
    assert.deepEqual(await serious(page), [], 'the sign-in')
    await signIn(page, url, admin)
    for (const [room, path] of Object.entries(rooms)) {
      await page.goto(url + path)
      await page.getByRole('heading', { level: 1 }).waitFor()
      await live(page).waitFor()
      assert.deepEqual(await serious(page), [], room)
    }
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keys' }).waitFor()
    assert.deepEqual(await serious(page), [], 'the list of keys')
  })
}

test('the rooms fit a narrow screen', async (t) => {
  const page = await open(t, { viewport: narrow })
  await signIn(page, url, admin)
  for (const [room, path] of Object.entries(rooms)) {
    await page.goto(url + path)
    await page.getByRole('heading', { level: 1 }).waitFor()
    await live(page).waitFor()
    await assertFits(page, room)
  }
})

test('the rooms are reached by keys', async (t) => {
  const page = await open(t)
  await signIn(page, url, admin)
  for (const [keys, path] of [['gm', '/models'], ['go', '/operations'], ['gc', '/chat'], ['gf', '/fleet']]) {
    for (const key of keys) await page.keyboard.press(key)
    await page.waitForURL((at) => at.pathname === path)
    await page.getByRole('heading', { level: 1 }).waitFor()
    await page.evaluate(() => document.activeElement?.blur()) // a room may begin in a field
  }
})
