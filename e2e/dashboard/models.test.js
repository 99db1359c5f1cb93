import assert from 'node:assert/strict'
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'

import { assertFits, narrow, serious } from './access.js'
import { live, signIn, useBrowser } from './browser.js'
import { required } from './environment.js'
import { startProxy } from './proxy.js'

const url = required('CORRAL_URL')
const admin = required('CORRAL_ADMIN_KEY')
const file = required('CORRAL_GGUF')
const parts = required('CORRAL_PARTS').split(',') // two of another one
const open = useBrowser()

// ask asks for an upload as a person does, and returns the dialog.
const ask = async (page, { name, files }) => {
  await page.getByRole('button', { name: 'Upload a model' }).click()
  const form = page.getByRole('dialog', { name: 'Upload a model' })
  await form.getByLabel('Files of the model').setInputFiles(files)
  await form.getByRole('textbox', { name: 'Name' }).fill(name)
  await form.getByRole('button', { name: 'Upload' }).click()
  return form
}

// upload begins an upload as a person does.
const upload = async (page, wanted) => {
  const form = await ask(page, wanted)
  await form.waitFor({ state: 'detached' })
}

test('a model is uploaded, seen stored, put into the trash, restored and deleted for good', async (t) => {
  const page = await open(t)
  await signIn(page, url, admin, '/models')
  await live(page).waitFor()
  await upload(page, { name: 'picked:tiny', files: file })
  const uploads = page.getByRole('region', { name: 'Uploads from this browser' })
  await uploads.getByText('Uploaded').waitFor()
  await uploads.getByRole('link', { name: 'picked:tiny' }).click()

  await page.getByRole('heading', { level: 1, name: 'picked:tiny' }).waitFor()
  await page.getByText('Stored, on no host').waitFor()
  const files = page.getByRole('table', { name: 'Files' })
  await files.getByRole('link', { name: basename(file) }).waitFor()
  assert.match(await page.getByRole('region', { name: 'What it is' }).innerText(), /gguf/i)

  const dialog = page.getByRole('dialog')
  await page.getByRole('table', { name: 'Where it fits' }).getByText('Spills into main memory').first().waitFor() // there is no GPU
  await page.getByLabel('Context, tokens').fill('1024')
  await page.getByRole('table', { name: 'Where it fits' }).getByRole('cell', { name: '1,024', exact: true }).first().waitFor()
  await page.getByRole('button', { name: 'Describe' }).click()
  await dialog.getByRole('textbox', { name: 'Aliases' }).fill('night-shift')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('region', { name: 'What it is' }).getByText('night-shift:latest').waitFor()
  const { width, height } = page.viewportSize()
  for (const size of [{ width, height }, narrow]) {
    await page.setViewportSize(size)
    await assertFits(page, 'the page of a stored model')
    assert.deepEqual(await serious(page), [], 'the page of a stored model')
    for (const opens of ['Bring to hosts', 'Describe']) {
      await page.getByRole('button', { name: opens }).click()
      if (opens === 'Bring to hosts') await dialog.getByRole('radio', { name: 'Hosts with labels' }).check()
      await assertFits(page, opens)
      assert.deepEqual(await serious(page), [], opens)
      await dialog.getByRole('button', { name: 'Cancel' }).click()
    }
  }
  await page.setViewportSize({ width, height })

  await page.getByRole('button', { name: 'Delete', exact: true }).click()
  await dialog.getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('heading', { name: 'This model is deleted' }).waitFor()
  await page.getByRole('button', { name: 'Restore' }).click()
  await page.getByText('Stored, on no host').waitFor()

  await page.getByRole('button', { name: 'Delete', exact: true }).click()
  await dialog.getByLabel('Its files at once').check()
  await dialog.getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('heading', { name: 'This model is not there' }).waitFor()
  await page.getByRole('table', { name: 'Operations on this model' }).getByText('Delete the files').waitFor()
})

test('an upload that a reload broke off goes on when the same file is chosen again', async (t) => {
  const page = await open(t)
  await signIn(page, url, admin, '/models')
  await live(page).waitFor()
  // The bytes get lost on their way until the page has been loaded anew.
  await page.route('**/api/uploads/*', (route) => (route.request().method() === 'PATCH' ? route.abort() : route.continue()))
  await upload(page, { name: 'resumed', files: file })
  await page.waitForFunction(() => Object.keys(localStorage).some((key) => key.startsWith('tus::')))
  page.on('dialog', (asked) => asked.accept()) // whether to leave while bytes are on their way
  await page.reload()
  await page.unroute('**/api/uploads/*')
  const uploads = page.getByRole('region', { name: 'Uploads from this browser' })
  await uploads.getByText('Not finished').waitFor()
  const begun = []
  page.on('request', (request) => { if (request.method() === 'POST' && request.url().includes('/api/uploads')) begun.push(request.url()) })
  const again = uploads.getByLabel(`The file ${basename(file)}`)
  await again.setInputFiles({ name: 'another.gguf', mimeType: '', buffer: Buffer.from('x') })
  await uploads.getByText('That is another file').waitFor()
  await again.setInputFiles(file)
  await uploads.getByText('Uploaded').waitFor()
  assert.deepEqual(begun, [], 'the upload was begun anew')
  await uploads.getByRole('link', { name: 'resumed' }).click()
  await page.getByRole('heading', { level: 1, name: 'resumed' }).waitFor()
  await page.getByText('Stored, on no host').waitFor()
})

test('several files go on where they were after a reload, when all of them are chosen again', async (t) => {
  const server = await startProxy(t, url)
  const page = await open(t)
  await signIn(page, server.url, admin, '/models')
  await live(page).waitFor()
  const [first, second] = await Promise.all(parts.map(async (path) => (await stat(path)).size))
  const held = server.hold(first + Math.floor(second / 2))
  await upload(page, { name: 'halves', files: parts })
  const uploads = page.getByRole('region', { name: 'Uploads from this browser' })
  await uploads.getByText('2 files').waitFor()
  await held
  page.on('dialog', (asked) => asked.accept()) // whether to leave while bytes are on their way
  await page.reload()
  await uploads.getByText('Not finished').waitFor()

  const asked = []
  page.on('request', (request) => { if (request.url().includes('/api/uploads')) asked.push(request) })
  const again = uploads.getByLabel('The files of halves')
  await again.setInputFiles({ name: basename(parts[1]), mimeType: '', buffer: Buffer.from('another one') })
  await uploads.getByText(`${basename(parts[1])} has another size than before. ${basename(parts[0])} is missing.`).waitFor()
  await again.setInputFiles(parts[1])
  await uploads.getByText(`${basename(parts[0])} is missing.`, { exact: true }).waitFor()
  const size = page.viewportSize()
  await page.setViewportSize(narrow)
  await assertFits(page, 'an upload that is not finished')
  assert.deepEqual(await serious(page), [], 'an upload that is not finished')
  await page.setViewportSize(size)
  assert.deepEqual(asked, [])
  await again.setInputFiles(parts[0])
  await uploads.getByText('Uploaded').waitFor()
  assert.deepEqual(asked.map((request) => request.method()), ['HEAD', 'PATCH'], 'the upload was begun anew')
  const offset = Number(asked[1].headers()['upload-offset'])
  assert.ok(offset > first && offset < first + second, `it went on at ${offset} of ${first} and ${second} bytes`)

  await uploads.getByRole('link', { name: 'halves' }).click()
  await page.getByRole('heading', { level: 1, name: 'halves' }).waitFor()
  await page.getByText('Stored, on no host').waitFor()
  for (const part of parts) await page.getByRole('table', { name: 'Files' }).getByRole('link', { name: basename(part) }).waitFor()
  assert.match(await page.getByRole('region', { name: 'What it is' }).innerText(), /gguf/i)
})

test('several files are one model, and what is no model says so', async (t) => {
  const page = await open(t)
  await signIn(page, url, admin, '/models')
  await live(page).waitFor()
  const content = await readFile(file)
  await upload(page, { name: 'several', files: [
    { name: 'several.gguf', mimeType: '', buffer: content },
    { name: 'README.md', mimeType: '', buffer: Buffer.from('what it is') },
  ] })
  const uploads = page.getByRole('region', { name: 'Uploads from this browser' })
  await uploads.getByText('Uploaded').waitFor()
  await uploads.getByRole('link', { name: 'several' }).click()
  await page.getByRole('table', { name: 'Files' }).getByRole('link', { name: 'README.md' }).waitFor()

  await page.getByRole('link', { name: 'Models', exact: true }).first().click()
  await upload(page, { name: 'notes', files: { name: 'notes.md', mimeType: '', buffer: Buffer.from('what no loader knows') } })
  await uploads.getByText('Can’t be used').waitFor()
  await uploads.getByText('No loader of this server knows what these files are: notes.md.').waitFor()

  const form = await ask(page, { name: 'no name of a model', files: file })
  await form.getByRole('alert').getByText(/is no name of a model/).waitFor()
  await form.getByRole('textbox', { name: 'Name' }).fill('lacking')
  await form.getByRole('button', { name: `Leave ${basename(file)} out` }).click()
  await form.getByLabel('Files of the model').setInputFiles(parts[0])
  await form.getByRole('button', { name: 'Upload' }).click()
  const lacks = form.getByRole('alert').getByText(basename(parts[1]))
  await lacks.waitFor()
  await page.setViewportSize({ width: narrow.width, height: 480 })
  await form.getByRole('button', { name: 'Upload' }).click()
  await page.waitForFunction(() => {
    const alert = document.querySelector('dialog [role=alert]')?.getBoundingClientRect()
    return alert?.height > 0 && alert.top >= 0 && alert.bottom <= window.innerHeight
  })
  await page.keyboard.press('Escape')
  await form.waitFor({ state: 'detached' })
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Upload a model', 'the focus is not where it was')
})

test('what one window uploads is shown in another one, which does not offer to send it', async (t) => {
  const page = await open(t)
  await signIn(page, url, admin, '/models')
  await live(page).waitFor()
  const network = await page.context().newCDPSession(page)
  await network.send('Network.enable')
  await network.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 32 * 1024 })
  await upload(page, { name: 'windowed', files: file })
  const other = await page.context().newPage()
  await other.goto(`${url}/models`)
  const uploads = other.getByRole('region', { name: 'Uploads from this browser' })
  await uploads.getByText('Another window of this browser sends it.').waitFor()
  await uploads.getByRole('button').first().waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'Cancel the upload of windowed' }).click()
  await uploads.waitFor({ state: 'detached' })
})

// drop drops files and folders as a person does, onto the corner of the page.
const drop = async (page, paths) => {
  await page.getByRole('heading', { level: 1 }).waitFor()
  const { width, height } = page.viewportSize()
  const browser = await page.context().newCDPSession(page)
  for (const type of ['dragEnter', 'dragOver', 'drop']) {
    await browser.send('Input.dispatchDragEvent', { type, x: width - 5, y: height - 5, data: { items: [], files: paths, dragOperationsMask: 1 } })
  }
}

test('a folder is the files in it, and is refused where there are more below', async (t) => {
  const temporary = await mkdtemp(join(tmpdir(), 'corral-'))
  t.after(() => rm(temporary, { recursive: true }))
  const folder = join(temporary, 'Tiny-1.5B')
  await mkdir(join(folder, '.cache'), { recursive: true })
  await copyFile(file, join(folder, 'model.gguf'))
  for (const name of ['README.md', '.gitattributes', '.cache/README.md']) await writeFile(join(folder, name), name)
  const page = await open(t)
  await signIn(page, url, admin, '/models')
  await live(page).waitFor()
  await drop(page, [folder])
  const form = page.getByRole('dialog', { name: 'Upload a model' })
  await form.getByText(/^2 files/).waitFor()
  assert.equal(await form.getByRole('textbox', { name: 'Name' }).inputValue(), 'Tiny-1.5B')
  assert.deepEqual(await serious(page), [], 'the dialog with a folder')
  await form.getByRole('button', { name: 'Upload' }).click()
  const uploads = page.getByRole('region', { name: 'Uploads from this browser' })
  await uploads.getByRole('link', { name: 'Tiny-1.5B' }).click()
  const files = page.getByRole('table', { name: 'Files' })
  for (const name of ['README.md', 'model.gguf']) await files.getByRole('link', { name }).waitFor()

  await page.getByRole('link', { name: 'Models', exact: true }).first().click()
  await mkdir(join(folder, 'onnx'))
  await writeFile(join(folder, 'onnx', 'model.onnx'), 'x')
  const why = 'Tiny-1.5B has files in its folder onnx'
  await drop(page, [folder])
  await page.getByText(why).waitFor()
  await page.getByRole('button', { name: 'Upload a model' }).click()
  await form.getByLabel('Folder of the model').setInputFiles(folder)
  await form.getByText(why).waitFor()
})
