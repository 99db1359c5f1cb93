// Uploads CORRAL_FILE in pieces of CORRAL_PIECE bytes, however often the server goes away
// meanwhile, and prints how far it is.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'

import { Upload } from 'tus-js-client'

const content = await readFile(process.env.CORRAL_FILE)
const sha256 = createHash('sha256').update(content).digest('hex')

await new Promise((resolve, reject) => {
  new Upload(content, {
    endpoint: `${process.env.CORRAL_URL}/api/uploads`, headers: { Authorization: `Bearer ${process.env.CORRAL_KEY}` },
    metadata: { filename: 'survivor.gguf', name: 'survivor', sha256 },
    chunkSize: Number(process.env.CORRAL_PIECE), retryDelays: Array(600).fill(100),
    onChunkComplete: (size, accepted) => console.log(accepted),
    onSuccess: resolve, onError: reject,
  }).start()
})
