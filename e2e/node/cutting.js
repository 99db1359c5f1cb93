// A line that breaks: a proxy that cuts its connections when so many bytes went up.
import net from 'node:net'

// startCutting serves what upstream serves. Each of the first connections is cut once
// it has sent a number of bytes, cuts of them in all; later ones are left alone.
export const startCutting = async (t, upstream, cuts, bytes) => {
  const { hostname, port } = new URL(upstream)
  let done = 0
  const open = new Set()
  const server = net.createServer((socket) => {
    const through = net.connect(port, hostname)
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    let sent = 0
    socket.on('data', (data) => {
      sent += data.length
      through.write(data)
      if (done < cuts && sent >= bytes) {
        done++
        sent = -Infinity
        socket.destroy()
        through.destroy()
      }
    })
    through.pipe(socket)
    for (const end of [socket, through]) {
      end.on('error', () => {})
      end.on('close', () => { socket.destroy(); through.destroy() })
    }
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => new Promise((resolve) => {
    server.close(resolve)
    for (const socket of open) socket.destroy()
  }))
  return { url: `http://127.0.0.1:${server.address().port}`, cuts: () => done }
}
