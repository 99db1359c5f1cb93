// What stands between a browser and a control plane, so that a test can take
// the server away, cut its WebSockets, hold what is sent to it, and answer for it
// where the real one can't be brought to.
import http from 'node:http'
import net from 'node:net'

// startProxy serves on a free port of loopback what upstream serves there.
export const startProxy = async (t, upstream) => {
  const { hostname, port, host } = new URL(upstream)
  const sockets = new Set()
  const upgraded = new Set()
  const answers = new Map() // of ours, by path
  let holding // what is to be done with the next piece of an upload
  // The proxy is no other site.
  const headersFor = ({ headers }) => ({ ...headers, host, ...(headers.origin && { origin: upstream }) })

  const server = http.createServer((request, response) => {
    const ours = answers.get(request.url.split('?')[0])
    if (ours) return ours(request, response)
    const passed = http.request({ hostname, port, method: request.method, path: request.url, headers: headersFor(request) }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers)
      answer.pipe(response)
    })
    passed.on('error', () => response.destroy())
    response.on('close', () => passed.destroy())
    if (request.method === 'PATCH' && holding) {
      passSome(request, passed, holding)
      holding = undefined
    } else request.pipe(passed)
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
  })
  server.on('upgrade', (request, socket, head) => {
    const through = net.connect(port, hostname, () => {
      through.write(`${request.method} ${request.url} HTTP/1.1\r\n${Object.entries(headersFor(request)).map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n`)
      through.write(head)
      socket.pipe(through).pipe(socket)
    })
    upgraded.add(socket)
    for (const end of [socket, through]) {
      end.on('error', () => {})
      end.on('close', () => { upgraded.delete(socket); socket.destroy(); through.destroy() })
    }
  })

  const listen = (at) => new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(at, '127.0.0.1', resolve)
  })
  await listen(0)
  const at = server.address().port
  const close = () => new Promise((resolve) => {
    server.close(resolve)
    for (const socket of sockets) socket.destroy()
  })
  t.after(close)

  return {
    url: `http://127.0.0.1:${at}`,
    // gone takes the server away, back brings it again.
    gone: close,
    back: () => listen(at),
    // cut cuts every WebSocket.
    cut: () => { for (const socket of upgraded) socket.destroy() },
    // hold lets so many bytes of the next piece of an upload pass, and waits until they have.
    hold: (bytes) => new Promise((done) => { holding = { bytes, done } }),
    // answer answers a path in the server's place.
    answer: (path, handler) => answers.set(path, handler),
  }
}

// passSome passes so many bytes on, and then neither more of them nor the end.
const passSome = (from, to, { bytes, done }) => {
  let left = bytes
  from.on('data', (chunk) => {
    if (left > 0 && chunk.length >= left) to.write(chunk.subarray(0, left), done)
    else if (left > 0) to.write(chunk)
    left -= chunk.length
  })
}
