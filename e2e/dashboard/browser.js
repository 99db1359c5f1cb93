// One browser for the tests of a file, and pages that tell what went wrong in them.
import assert from 'node:assert/strict'
import { after, before } from 'node:test'

import { chromium } from 'playwright-core'

import { required } from './environment.js'

// launch returns a browser without a sandbox, which root has none of.
export const launch = () => chromium.launch({
  executablePath: required('CORRAL_BROWSER'),
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})

// useBrowser gives the tests of a file a browser, and returns what opens a page
// that nobody has signed in on. Each page is closed with its test, which fails
// when a script of the page did, or when the page's own rules were broken.
export const useBrowser = () => {
  let browser
  before(async () => { browser = await launch() })
  after(() => browser?.close())
  return async (t, options = {}) => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 850 }, ...options })
    const page = await context.newPage()
    page.setDefaultTimeout(15_000)
    const wrong = []
    page.on('pageerror', (error) => wrong.push(`a script failed: ${error.stack}`))
    page.on('console', (message) => {
      // What the network did not bring is told by the page, which the tests read.
      if (message.type() === 'error' && !/Failed to load resource|WebSocket connection/.test(message.text())) wrong.push(message.text())
    })
    t.after(async () => {
      await context.close()
      assert.deepEqual(wrong, [], 'what the browser complained about')
    })
    return page
  }
}

// signIn signs in by a key, the way that a person does, and waits for the room.
export const signIn = async (page, url, key, path = '/fleet') => {
  await page.goto(url + path)
  await page.getByLabel('Key').fill(key)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('navigation', { name: 'Rooms' }).waitFor()
}

// live finds the sign that the page is current.
export const live = (page) => page.getByRole('banner').getByText('Live', { exact: true })
