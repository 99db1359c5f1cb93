// Uploads the files that CORRAL_FILES names, with commas between them, in pieces of
// CORRAL_PIECE bytes, however often the server goes away meanwhile, and prints how far it is.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'

import { Upload } from 'tus-js-client'

const headers = { Authorization: `Bearer ${process.env.CORRAL_KEY}` }
const endpoint = `${process.env.CORRAL_URL}/api/uploads`
const name = 'survivor'
const files = await Promise.all(process.env.CORRAL_FILES.split(',').map(async (path) => {
  const content = await readFile(path)
  return { content, filename: basename(path), size: content.length, sha256: createHash('sha256').update(content).digest('hex') }
}))

// announced begins an upload of several files, and returns where it is.
const announced = async () => {
  const answer = await fetch(endpoint, {
    method: 'POST', headers: { ...headers, 'Content-Type': 'application/json' },
    body: JSON.stringify({ name, files: files.map(({ filename, size, sha256 }) => ({ filename, size, sha256 })) }),
  })
  if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`)
  return { uploadUrl: new URL(answer.headers.get('Location'), endpoint).href }
}

const [{ filename, sha256 }] = files
const where = files.length > 1 ? await announced() : { endpoint, metadata: { filename, name, sha256 } }

await new Promise((resolve, reject) => {
  new Upload(Buffer.concat(files.map(({ content }) => content)), {
    ...where, headers,
    chunkSize: Number(process.env.CORRAL_PIECE), retryDelays: Array(600).fill(100),
    onChunkComplete: (size, accepted) => console.log(accepted),
    onSuccess: resolve, onError: reject,
  }).start()
})
