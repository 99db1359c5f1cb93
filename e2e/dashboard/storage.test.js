import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'

import { live, signIn, useBrowser } from './browser.js'
import { required } from './environment.js'

const url = required('CORRAL_URL')
const admin = required('CORRAL_ADMIN_KEY')
const open = useBrowser()

test('a file is uploaded, found in its folder, downloaded and deleted', async (t) => {
  const page = await open(t)
  await signIn(page, url, admin)
  await page.getByRole('navigation', { name: 'Rooms' }).getByRole('link', { name: 'Storage' }).click()
  await live(page).waitFor()
  await page.getByRole('table', { name: 'Storages' }).getByText('ready').waitFor()
  await page.goto(`${url}/storage?name=default&prefix=${encodeURIComponent('ü folder/')}`)
  const content = Buffer.from('what is stored')
  await page.getByText('Nothing is here.').waitFor()
  await page.getByLabel('Files to upload').setInputFiles({ name: 'a b.txt', mimeType: 'text/html', buffer: content })
  const file = page.getByRole('table', { name: 'Files' }).getByRole('link', { name: 'a b.txt' })
  await file.waitFor()

  await page.getByRole('heading', { level: 2 }).getByRole('link', { name: 'default' }).click()
  await page.getByRole('table', { name: 'Files' }).getByRole('link', { name: 'ü folder/' }).click()
  const downloading = page.waitForEvent('download')
  await file.click()
  const download = await downloading
  assert.equal(download.suggestedFilename(), 'a b.txt')
  assert.deepEqual(await readFile(await download.path()), content)

  await page.getByRole('button', { name: 'Delete ü folder/a b.txt' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await page.getByText('Nothing is here.').waitFor()
})

test('a storage is added by the form of its plugin, and forgotten', async (t) => {
  const page = await open(t)
  await signIn(page, url, admin)
  await page.goto(`${url}/storage`)
  await page.getByRole('button', { name: 'Add a storage' }).click()
  const form = page.getByRole('dialog', { name: 'Add a storage' })
  await form.getByLabel('Name').fill('archive')
  await form.getByLabel('Plugin').selectOption('fs')
  await form.getByLabel('directory').fill('no/absolute/path')
  await form.getByRole('button', { name: 'Save' }).click()
  await form.getByText('has to be an absolute path').waitFor()
  assert.equal(await form.getByLabel('directory').getAttribute('aria-invalid'), 'true')
  await form.getByLabel('directory').fill(`${required('CORRAL_LAB')}/archive`)
  await form.getByRole('button', { name: 'Save' }).click()
  const row = page.getByRole('table', { name: 'Storages' }).getByRole('row', { name: /archive/ })
  await row.getByText('ready').waitFor()

  await page.getByRole('button', { name: 'Remove archive' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Forget' }).click()
  await row.waitFor({ state: 'detached' })
})
