import assert from 'node:assert/strict'
import { test } from 'node:test'

import { signIn, useBrowser } from './browser.js'
import { required } from './environment.js'

const url = required('CORRAL_URL')
const admin = required('CORRAL_ADMIN_KEY')
const open = useBrowser()

// chatWith opens a conversation with a model, and asks something.
const chatWith = async (page, model, question) => {
  await signIn(page, url, admin, `/chat?model=${encodeURIComponent(model)}`)
  await page.getByRole('textbox', { name: 'Your message' }).fill(question)
  await page.getByRole('button', { name: 'Send' }).click()
}

test('a model answers, and the page tells how', async (t) => {
  const page = await open(t)
  await chatWith(page, required('CORRAL_MODEL'), 'Who is there?')
  await page.getByText(/tokens\/s/).waitFor()
  await page.getByText('first token after').waitFor()
  await page.getByText('chatty').first().waitFor() // the host that answered
  const answer = await page.locator('main').innerText()
  assert.match(answer, /Who is there\?/)
  // What was said is there again when the page is.
  await page.reload()
  await page.getByText(/tokens\/s/).waitFor()
})

test('an answer is stopped, and the generation with it', async (t) => {
  const page = await open(t)
  await chatWith(page, required('CORRAL_ENDLESS_MODEL'), 'Go on, and on.')
  await page.waitForFunction(() => document.querySelector('main').innerText.length > 1500)
  await page.keyboard.press('Escape')
  await page.getByText(/stopped/i).first().waitFor()
  await page.getByRole('button', { name: 'Send' }).waitFor()
  const deadline = Date.now() + 10_000
  for (;;) {
    const hosts = await (await fetch(`${url}/api/hosts`, { headers: { Authorization: `Bearer ${admin}` } })).json()
    const busy = hosts.find(({ name }) => name === 'chatty').instances[0].in_flight
    if (busy === 0) break
    assert.ok(Date.now() < deadline, `${busy} requests are still under way`)
    await page.waitForTimeout(200)
  }
})

test('what a hostile model says is shown, and nothing of it is done', async (t) => {
  const page = await open(t)
  const asked = []
  page.on('request', (request) => asked.push(request.url()))
  await chatWith(page, required('CORRAL_HOSTILE_MODEL'), 'What do you want?')
  await page.getByText(/tokens\/s/).waitFor()
  await page.getByText('<script>window.taken = 1</script>').first().waitFor()
  assert.equal(await page.evaluate(() => window.taken), undefined)
  assert.equal(await page.locator('main script, main img, main a[href^="javascript"]').count(), 0)
  assert.deepEqual(asked.filter((one) => !one.startsWith(url)), [], 'requests to elsewhere')
})

test('a conversation is found by what it is about', async (t) => {
  const page = await open(t)
  await chatWith(page, required('CORRAL_MODEL'), 'A question about giraffes')
  await page.getByText(/tokens\/s/).waitFor()
  await page.getByRole('searchbox').fill('giraffes')
  await page.getByRole('link', { name: /giraffes/ }).first().waitFor()
  await page.getByRole('searchbox').fill('no such thing')
  await page.getByRole('link', { name: /giraffes/ }).waitFor({ state: 'detached' })
})
