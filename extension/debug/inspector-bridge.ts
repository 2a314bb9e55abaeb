/**
 * A script for the Node.js of a node, whose argument is the port of an inspector there: joins its input and output to that port. The
 * inspector loses its way in frames of a WebSocket that come in pieces, and a serial line cuts them anywhere: what comes is
 * held back until a frame is whole (RFC 6455, section 5.2). It ends when the inspector does.
 */
export const INSPECTOR_BRIDGE = `
const { writeSync } = require('fs');
const socket = require('net').connect(Number(process.argv[2]), '127.0.0.1');
socket.setNoDelay(true);
socket.on('data', (data) => {
  for (let at = 0; at < data.length; ) at += writeSync(1, data, at);
});
socket.on('error', () => {});
socket.on('close', () => process.exit());
let held = Buffer.alloc(0);
let isUpgraded = false;
function size() {
  if (!isUpgraded) return held.includes('\\r\\n\\r\\n') ? held.indexOf('\\r\\n\\r\\n') + 4 : Infinity;
  const short = held[1] & 127;
  if (short < 126) return 6 + short;
  if (held.length < 10) return Infinity;
  return short === 126 ? 8 + held.readUInt16BE(2) : 14 + Number(held.readBigUInt64BE(2));
}
process.stdin.on('data', (data) => {
  held = Buffer.concat([held, data]);
  while (held.length >= size()) {
    const whole = held.subarray(0, size());
    held = held.subarray(whole.length);
    isUpgraded = true;
    socket.write(whole);
  }
});
process.stdin.on('end', () => socket.end());
`;
