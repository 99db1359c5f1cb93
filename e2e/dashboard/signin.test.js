import assert from 'node:assert/strict'
import { test } from 'node:test'

import { live, signIn, useBrowser } from './browser.js'
import { required } from './environment.js'

const url = required('CORRAL_URL')
const admin = required('CORRAL_ADMIN_KEY')
const open = useBrowser()

// api calls the control plane as an administrator.
const api = async (method, path, body) => {
  const response = await fetch(url + path, { method, headers: { Authorization: `Bearer ${admin}`, 'Content-Type': 'application/json' }, body: body && JSON.stringify(body) })
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${await response.clone().text()}`)
  const text = await response.text()
  return text === '' ? null : JSON.parse(text)
}

test('a key signs in, and the page that was asked for comes up', async (t) => {
  const page = await open(t)
  await page.goto(`${url}/models?q=hello`)
  await page.getByLabel('Key').fill('crl_nobody_has_this_key')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('alert').filter({ hasText: /unknown or revoked/ }).waitFor()
  await page.getByLabel('Key').fill(admin)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(`${url}/models?q=hello`)
  await page.getByRole('heading', { name: 'Models', level: 1 }).waitFor()
  await live(page).waitFor()
})

test('a link signs in once', async (t) => {
  const link = required('CORRAL_LINK')
  const page = await open(t)
  await page.goto(link)
  await page.getByRole('navigation', { name: 'Rooms' }).waitFor()
  assert.ok(!page.url().includes('crn_'), `the secret stays in the address: ${page.url()}`)
  const second = await open(t)
  await second.goto(link)
  await second.getByRole('alert').filter({ hasText: /link/ }).waitFor()
})

test('signing out ends the session', async (t) => {
  const page = await open(t)
  await signIn(page, url, admin)
  await page.getByRole('button', { name: /^Account/ }).click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await page.getByRole('button', { name: 'Sign in' }).waitFor()
  assert.equal((await page.request.get(`${url}/api/session`)).status(), 401)
})

test('a key that is revoked while its page is open ends there, in words', async (t) => {
  const made = await api('POST', '/api/keys', { name: 'soon gone', role: 'viewer' })
  const page = await open(t)
  await signIn(page, url, made.key)
  await live(page).waitFor()
  const list = await api('GET', '/api/keys')
  await api('DELETE', `/api/keys/${list.find((key) => key.name === 'soon gone').id}`)
  await page.getByRole('alert').filter({ hasText: /revoked/ }).waitFor({ timeout: 8000 })
})

test('where no key is needed, nobody is asked for one', async (t) => {
  const page = await open(t)
  await page.goto(required('CORRAL_KEYLESS_URL'))
  await live(page).waitFor()
  await page.getByRole('button', { name: 'Account anonymous' }).click()
  await page.getByRole('menuitem', { name: 'Keys' }).waitFor()
  assert.equal(await page.getByRole('menuitem', { name: 'Sign out' }).count(), 0)
})

test('the theme that was chosen is there before the page is', async (t) => {
  const page = await open(t, { colorScheme: 'light' })
  await signIn(page, url, admin)
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)
  const light = await ground()
  await page.getByRole('button', { name: /^Account/ }).click()
  await page.getByRole('menuitemradio', { name: 'Dark' }).click()
  const dark = await ground()
  assert.notEqual(dark, light)
  await page.reload({ waitUntil: 'commit' })
  await page.waitForFunction(() => document.documentElement.dataset.theme === 'dark')
  assert.equal(await ground(), dark)
})
