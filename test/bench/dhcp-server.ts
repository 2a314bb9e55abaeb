// Our side of the DHCP bench, with the daemon's own store:   dhcp-server.ts ADDRESS DATABASE
import { DhcpServer } from '../../backend/protocols/dhcp/server.ts';
import { openDatabase } from '../../backend/state/database.ts';
import { LeaseRows } from '../../backend/state/lease-table.ts';

const [address = '', database = ''] = process.argv.slice(2);
const server = new DhcpServer({
  address,
  subnetMask: '255.0.0.0',
  range: { first: '10.1.0.0', last: '10.250.255.254' },
  store: new LeaseRows(openDatabase(database)),
  publish: () => {},
  policy: {
    reservation: () => undefined,
    isReserved: () => false,
    bootFile: (client) => (client.architecture === undefined ? undefined : { file: 'undionly.kpxe' }),
  },
});
await server.start();
console.log('ready');
