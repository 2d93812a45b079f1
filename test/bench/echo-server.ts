/**
 * The yardstick of `make bench`: the least that a Node program must do to answer a QMP-like request. It splits lines,
 * parses, and prints a reply; it validates nothing and knows nothing. Usage: tsx echo-server.ts SOCKET
 */
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';

const path = process.argv[2];
if (path === undefined) throw new Error('usage: echo-server.ts SOCKET');

rmSync(path, { force: true });
createServer((socket) => {
  socket.setEncoding('utf8');
  let rest = '';
  socket.write('{"QMP": {}}\r\n');
  socket.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    let out = '';
    for (const line of lines) {
      const request = JSON.parse(line) as { id?: unknown };
      out += `${JSON.stringify({ return: { status: 'running', singlestep: false, running: true }, id: request.id })}\r\n`;
    }
    socket.write(out);
  });
  socket.on('error', () => socket.destroy());
}).listen(path);
