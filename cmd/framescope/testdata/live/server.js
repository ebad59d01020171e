// An echo server with ws: prints its port, echoes, and ends with its input.
const { WebSocketServer } = require('ws');
const s = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: { threshold: 10 } });
s.on('listening', () => console.log(s.address().port));
s.on('connection', (c) => c.on('message', (data, binary) => c.send(data, { binary })));
process.stdin.on('end', () => process.exit(0)).resume();
