// The servers of a test's own internet (internet.ts), each on the addresses that its arguments give:
// internet.mjs web ADDRESS PORT TEXT | dns ADDRESS NAME ANSWER
import { createSocket } from 'node:dgram';
import { createServer } from 'node:http';
import net from 'node:net';

const [what, address, first, second] = process.argv.slice(2);
if (what === 'web') createServer((_request, response) => response.end(second)).listen(Number(first), address);
else {
  createSocket('udp4')
    .on('message', function (query, from) {
      this.send(answer(query), from.port, from.address);
    })
    .bind(53, address);
  net
    .createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (data) => {
        const reply = answer(data.subarray(2));
        const length = Buffer.alloc(2);
        length.writeUInt16BE(reply.length);
        socket.write(Buffer.concat([length, reply]));
      });
    })
    .listen(53, address);
}
console.log('ready');

/** An A record for the one name that is known, and "no such name" for all others (RFC 1035 §4.1). */
function answer(query) {
  const labels = first.split('.').map((label) => Buffer.from(label));
  const name = Buffer.concat([
    ...labels.flatMap((label) => [Buffer.from([label.length]), label]),
    Buffer.alloc(1),
  ]);
  const end = 12 + query.subarray(12).indexOf(0) + 5;
  const isKnown = query.subarray(12, end - 4).equals(name);
  const hasAddress = isKnown && query.readUInt16BE(end - 4) === 1;
  const head = Buffer.from(query.subarray(0, end));
  head.writeUInt16BE(isKnown ? 0x8180 : 0x8183, 2);
  head.writeUInt16BE(hasAddress ? 1 : 0, 6);
  head.fill(0, 8, 12);
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...second.split('.').map(Number)]);
  return hasAddress ? Buffer.concat([head, record]) : head;
}
