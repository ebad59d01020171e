// A client on node ws: client.js URL DEFLATE. It tries an echo server and
// prints a line for each step.
const WebSocket = require('ws')
const { createHash } = require('crypto')
const [url, deflate] = process.argv.slice(2)
const open = () => new WebSocket(url, ['other', 'chat'], { perMessageDeflate: deflate === 'true' })
const print = (...words) => console.log(words.join(' '))

const big = Buffer.alloc(1 << 20)
for (let i = 0; i < big.length; i++) big[i] = (i * i) >> 7
const steps = [
  ws => ws.send('Grüße'),
  ws => ws.send(''),
  ws => ws.send(big),
  ws => ws.send(big.toString('hex')),
  ws => { ws.send('in ', { fin: false }); ws.ping('now'); ws.send('two', { fin: true }) },
  ws => ws.close(4001, 'bye')
]
const ws = open()
let step = 0
ws.on('open', () => { print('open', ws.protocol, ws.extensions || '-'); steps[step++](ws) })
ws.on('message', (data, binary) => {
  print(binary ? 'binary' : 'text', data.length, createHash('sha256').update(data).digest('hex').slice(0, 8))
  steps[step++](ws)
})
ws.on('pong', data => print('pong', data))
ws.on('error', e => print('error', e.message))
ws.on('close', (code, reason) => {
  print('close', code, reason)
  const bad = open()
  bad.on('open', () => bad.send(Buffer.from([0x61, 0xff]), { binary: false, compress: deflate === 'true' }))
  bad.on('close', (code, reason) => print('close', code, reason))
})
