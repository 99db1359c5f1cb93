// A client of the raw dialect that keeps what it hears until somebody asks for it.
import WebSocket from 'ws'

import { within } from './server.js'

export class RawClient {
  #frames = []
  #waiting = []
  #nextID = 1

  constructor(address, { protocols = [], headers = {} } = {}) {
    this.socket = new WebSocket(address, protocols, { headers })
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }))
    })
    this.refused = new Promise((resolve) => {
      this.socket.on('unexpected-response', (request, response) => {
        resolve(response.statusCode)
        request.destroy()
      })
    })
    this.socket.on('error', () => {}) // told by closed and refused
    this.socket.on('message', (data, binary) => this.#hear(binary ? data : JSON.parse(data.toString())))
  }

  #hear(frame) {
    const index = this.#waiting.findIndex(({ matches }) => matches(frame))
    if (index < 0) this.#frames.push(frame)
    else this.#waiting.splice(index, 1)[0].resolve(frame)
  }

  // next returns the first frame that matches and was not returned yet.
  next(matches, what) {
    const index = this.#frames.findIndex(matches)
    if (index >= 0) return Promise.resolve(this.#frames.splice(index, 1)[0])
    return within(new Promise((resolve) => this.#waiting.push({ matches, resolve })), what)
  }

  ofType(type) {
    return this.next((f) => f.type === type, type)
  }

  send(text) {
    this.socket.send(text)
  }

  // ask sends an event and returns the frames that echo its id, up to the last.
  async ask(event, data) {
    const id = this.#nextID++
    this.send(JSON.stringify({ event, data, id }))
    const frames = []
    do {
      frames.push(await this.next((f) => f.id === id, `the answer to ${event}`))
    } while (frames.at(-1).data.done === false)
    return frames
  }

  async close() {
    this.socket.close()
    return within(this.closed, 'the close')
  }
}
