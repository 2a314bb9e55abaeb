// Sends COUNT random and mutated packets to each port of the lab's server:   junk.mjs ADDRESS COUNT
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';

const [address, countText] = process.argv.slice(2);
const each = Number(countText);
const UDP = [53, 67, 69, 111, 123, 2049];
const TCP = [53, 80, 111, 2049, 12345, 12347];

// A small generator with a seed: a run that fails can be repeated.
let state = 0x9e3779b9;
const random = (below) => {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
};

const dhcp = Buffer.alloc(300);
dhcp.set([1, 1, 6, 0, 1, 2, 3, 4]);
dhcp.set([2, 0, 0, 0, 0, 9], 28);
dhcp.set([0x63, 0x82, 0x53, 0x63, 53, 1, 1, 55, 4, 1, 3, 6, 67, 93, 2, 0, 0, 255], 236);
const rrq = Buffer.from('\0\x01start.ipxe\0octet\0blksize\x001432\0tsize\x000\0windowsize\x004\0', 'latin1');
const rpc = (program, version, procedure, args = Buffer.alloc(0)) => {
  const call = Buffer.alloc(40);
  [7, 0, 2, program, version, procedure, 0, 0, 0, 0].forEach((word, i) => call.writeUInt32BE(word, i * 4));
  return Buffer.concat([call, args]);
};
const query = Buffer.from('\0\x01\x01\0\0\x01\0\0\0\0\0\0\x02n1\x04walt\0\0\x01\0\x01', 'latin1');
const ntp = Buffer.alloc(48, 0x23);
const path = Buffer.concat([Buffer.from([0, 0, 0, 8]), Buffer.from('/var/lib')]);
const calls = [
  rpc(100003, 3, 1, path),
  rpc(100003, 3, 6, path),
  rpc(100003, 3, 17, path),
  rpc(100005, 3, 1, path),
  rpc(100000, 2, 3),
];
const record = (call) => Buffer.concat([Buffer.from([0x80, 0, call.length >> 8, call.length & 255]), call]);
const texts = {
  80: ['GET /boot/start.ipxe HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9\r\n\r\n'],
  12345: ["REQ_API_SESSION\nNSAPI\n('API_CALL', 'sync_clock', (), {})\n"],
  12347: ['REQ_NEW_INCOMING_LOGS\nx\nNO_TIMESTAMPS\nline\n', '14\n'],
};
const pick = (list) => list[random(list.length)];
const seeds = (port) => {
  if (port === 53) return query;
  if (port === 67) return dhcp;
  if (port === 123) return ntp;
  if (port === 69) return rrq;
  if (texts[port]) return Buffer.from(pick(texts[port]));
  return pick(calls);
};

function packet(port, stream) {
  if (random(3) === 0) return Buffer.from(Array.from({ length: random(600) }, () => random(256)));
  let bytes = Buffer.from(seeds(port));
  if (stream && port === 53) bytes = Buffer.concat([Buffer.from([0, bytes.length]), bytes]);
  if (stream && (port === 111 || port === 2049)) bytes = record(bytes);
  for (let i = random(6); i > 0; i--) bytes[random(bytes.length)] = random(256);
  return random(4) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes;
}

const socket = createSocket('udp4');
let sent = 0;
for (let i = 0; i < each; i++) {
  for (const port of UDP) {
    await new Promise((resolve) => socket.send(packet(port, false), port, address, resolve));
    sent++;
  }
}
/** A connection takes packets until the server hangs up; then there is a new one. */
async function torment(port) {
  let connection;
  for (let i = 0; i < each; i++) {
    if (!connection || connection.destroyed) {
      connection = connect(port, address);
      connection.on('error', () => connection.destroy());
      connection.resume();
    }
    const current = connection;
    await new Promise((resolve) => {
      const done = () => {
        current.off('close', done);
        resolve();
      };
      current.once('close', done);
      current.write(packet(port, true), done);
    });
    if (random(20) === 0) current.destroy();
    sent++;
  }
  connection?.destroy();
}
await Promise.all(TCP.map(torment));
socket.close();
console.log(`sent ${sent}`);
