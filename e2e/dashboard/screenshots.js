// Takes pictures of every room: light, dark and narrow, full and empty.
//
// Environment: CORRAL_BROWSER, CORRAL_PICTURES (a folder), CORRAL_GGUF (a model), and of two control
// planes, one with a fleet and one without any host, CORRAL_URL,
// CORRAL_ADMIN_KEY, CORRAL_EMPTY_URL, CORRAL_EMPTY_ADMIN_KEY.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'

import { launch, live } from './browser.js'
import { required } from './environment.js'

const folder = required('CORRAL_PICTURES')
const looks = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 860 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 860 } },
  narrow: { colorScheme: 'light', viewport: { width: 400, height: 860 } },
}

// How each room is got ready for its picture, in the full fleet.
const rooms = {
  fleet: async (page) => { await page.getByRole('table').waitFor() },
  host: async (page) => {
    await page.locator('main a[href^="/hosts/"]').first().click()
    await page.locator('canvas').first().waitFor()
    await page.waitForTimeout(20_000) // until the charts have something to show
  },
  models: async (page) => {
    await page.getByRole('navigation', { name: 'Rooms' }).getByRole('link', { name: 'Models' }).click()
    await page.getByRole('table', { name: 'Models' }).waitFor()
  },
  model: async (page) => {
    await page.getByRole('table', { name: 'Models' }).getByRole('link').first().click()
    await page.getByRole('table', { name: 'Hosts' }).waitFor()
  },
  stored: async (page) => {
    await page.getByRole('navigation', { name: 'Rooms' }).getByRole('link', { name: 'Models' }).click()
    await page.getByRole('button', { name: 'Upload a model' }).click()
    const form = page.getByRole('dialog')
    await form.getByLabel('Files of the model').setInputFiles(required('CORRAL_GGUF'))
    await form.getByRole('textbox', { name: 'Name' }).fill('tiny:f16')
    await form.getByRole('button', { name: 'Upload' }).click()
    await page.getByRole('region', { name: 'Uploads from this browser' }).getByRole('link', { name: 'tiny:f16' }).click()
    await page.getByRole('table', { name: 'Where it fits' }).waitFor()
    await page.getByRole('heading', { name: 'Where it fits' }).scrollIntoViewIfNeeded()
  },
  bring: async (page) => {
    await page.getByRole('button', { name: 'Bring to hosts' }).click()
    await page.getByRole('radio', { name: 'Hosts with labels' }).check()
  },
  describe: async (page) => {
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('button', { name: 'Describe' }).click()
  },
  upload: async (page) => {
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('navigation', { name: 'Rooms' }).getByRole('link', { name: 'Models' }).click()
    await page.getByRole('button', { name: 'Upload a model' }).click()
    await page.getByLabel('Files of the model').setInputFiles({ name: 'README.md', mimeType: '', buffer: Buffer.from('what no loader knows') })
  },
  operations: async (page) => {
    await page.getByRole('dialog').getByRole('button', { name: 'Upload' }).click()
    await page.getByRole('navigation', { name: 'Rooms' }).getByRole('link', { name: 'Operations' }).click()
    await page.getByRole('table', { name: 'Operations' }).getByText('Failed').first().waitFor()
  },
  chat: async (page) => {
    await page.getByRole('navigation', { name: 'Rooms' }).getByRole('link', { name: 'Chat' }).click()
    const message = page.getByRole('textbox', { name: 'Your message' })
    await message.fill('What can you see from up there?')
    await page.getByRole('button', { name: 'Send' }).click()
    await page.getByText(/tokens a second|tokens\/s/).first().waitFor()
  },
}

await mkdir(folder, { recursive: true })
const browser = await launch()
try {
  for (const [look, options] of Object.entries(looks)) {
    const visit = async (name, url, key, steps) => {
      const context = await browser.newContext(options)
      const page = await context.newPage()
      const shoot = (room) => page.screenshot({ path: join(folder, `${room}-${name}-${look}.png`) })
      await page.goto(`${url}/login`)
      await page.getByLabel('Key').waitFor()
      if (name === 'full') await shoot('login')
      const answer = await context.request.post(`${url}/api/login`, { data: { key }, headers: { Origin: url } })
      if (!answer.ok()) throw new Error(`sign-in: ${answer.status()} ${await answer.text()}`)
      await page.goto(`${url}/fleet`)
      await live(page).waitFor()
      for (const [room, prepare] of Object.entries(steps)) {
        await prepare(page)
        await page.waitForTimeout(700)
        await shoot(room)
      }
      await context.close()
    }
    await visit('full', required('CORRAL_URL'), required('CORRAL_ADMIN_KEY'), rooms)
    await visit('empty', required('CORRAL_EMPTY_URL'), required('CORRAL_EMPTY_ADMIN_KEY'), {
      fleet: async () => {},
      models: async (page) => { await page.getByRole('navigation', { name: 'Rooms' }).getByRole('link', { name: 'Models' }).click() },
      chat: async (page) => { await page.getByRole('navigation', { name: 'Rooms' }).getByRole('link', { name: 'Chat' }).click() },
    })
  }
} finally {
  await browser.close()
}
