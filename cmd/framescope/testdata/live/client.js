// A client with ws: text, fragments, a large binary message, ping, close.
const WebSocket = require('ws');
const c = new WebSocket(`ws://127.0.0.1:${process.argv[2]}/node`);
let echoes = 0;
c.on('open', () => {
  c.send('{"from":"node","n":1}');
  c.send('in three ', { fin: false });
  c.send('frag', { fin: false });
  c.send('ments', { fin: true });
  c.ping('there?');
  c.send(Buffer.alloc(300000, 'framescope'));
});
c.on('message', () => { if (++echoes === 3) c.close(1000, 'bye'); });
c.on('close', () => process.exit(echoes === 3 ? 0 : 1));
