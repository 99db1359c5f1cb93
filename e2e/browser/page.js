// The page of a dashboard that knows nothing but the integration guide, served
// as its development server would serve it.
import { createReadStream } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const inPackage = (name, ...path) => join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), ...path)

const bundles = {
  '/socket.io.js': inPackage('socket.io-client', 'dist', 'socket.io.js'),
  '/tus.js': inPackage('tus-js-client', 'dist', 'tus.js'),
}

const html = '<!doctype html><meta charset="utf-8"><title>Dashboard</title><link rel="icon" href="data:,">' +
  Object.keys(bundles).map((path) => `<script src="${path}"></script>`).join('')

// servePage serves it on a port of loopback, 0 for a free one, and resolves to
// its address and how to end it.
export const servePage = (port) => new Promise((resolve, reject) => {
  const server = createServer((request, response) => {
    const bundle = bundles[request.url]
    if (bundle !== undefined) {
      response.setHeader('Content-Type', 'text/javascript')
      createReadStream(bundle).pipe(response)
      return
    }
    response.setHeader('Content-Type', 'text/html')
    response.end(html)
  })
  server.once('error', reject)
  server.listen(port, '127.0.0.1', () => resolve({
    url: `http://localhost:${server.address().port}/`,
    close: () => { server.closeAllConnections(); server.close() },
  }))
})
