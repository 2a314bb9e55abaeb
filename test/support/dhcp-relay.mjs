// A DHCP relay (RFC 2131 and 1542) as simple as they come: what clients broadcast goes to the server, with the relay's own
// address as giaddr. What the server answers stays here. Arguments: that address, and the server's.
import dgram from 'node:dgram';

const [own = '', server = ''] = process.argv.slice(2);
const HOPS = 3;
const GIADDR = 24;

const socket = dgram.createSocket('udp4');
socket.on('message', (packet) => {
  if (packet[0] !== 1) return;
  packet[HOPS] += 1;
  packet.set(own.split('.').map(Number), GIADDR);
  socket.send(packet, 67, server);
});
socket.bind(67, () => console.log('relays'));
