import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import assert from 'node:assert/strict'

import { signIn, useBrowser } from './browser.js'
import { required } from './environment.js'

const open = useBrowser()

// The command that the page shows is run as it stands, but for where the
// program is and what keeps this test's agent apart from others.
test('an empty fleet shows the way to its first host, and sees it come', async (t) => {
  const page = await open(t)
  await signIn(page, required('CORRAL_EMPTY_URL'), required('CORRAL_EMPTY_ADMIN_KEY'))
  await page.getByLabel('Its name').fill('the-first')
  await page.getByRole('button', { name: 'Make a token' }).click()
  await page.getByRole('button', { name: 'Copy the command' }).waitFor()
  const shown = await page.locator('code', { hasText: 'corral-agent run' }).textContent()
  const words = shown.replaceAll('\\\n', ' ').trim().split(/\s+/)
  assert.equal(words[0], 'corral-agent')
  const lab = required('CORRAL_LAB')
  const agent = spawn(required('CORRAL_AGENT'), [
    ...words.slice(1), '--data-dir', join(lab, 'agent'), '--ollama-mode', 'attached', '--ollama-url', required('CORRAL_OLLAMA_URL'),
  ], { stdio: 'ignore' })
  t.after(() => new Promise((resolve) => { agent.once('exit', resolve); agent.kill('SIGTERM') }))
  await page.getByRole('link', { name: 'the-first' }).first().waitFor({ timeout: 30_000 })
})
