// An echo server on node ws: server.js DEFLATE. It prints its port.
const { WebSocketServer } = require('ws')
const deflate = process.argv[2] === 'true'
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: deflate && { threshold: 0 }, maxPayload: 2 << 20 })
server.on('listening', () => console.log(server.address().port))
server.on('connection', (ws, request) => {
  ws.on('error', () => {})
  ws.on('message', (data, binary) => ws.send(data, { binary }))
  if (request.url === '/ping') ws.ping('from node')
  if (request.url === '/close') ws.close(4002, 'go away')
})
