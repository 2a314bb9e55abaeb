// An NFS server with one share, in a process that a test may kill:   persist-server.ts FOLDER [PORTMAPPORT]
import { PersistShares } from '../../backend/persist/shares.ts';
import { NfsServer } from '../../backend/protocols/nfs/server.ts';
import { shareTo } from './persist.ts';

const persist = new PersistShares({ log: console.error, onLost: () => process.exit(1) });
const [folder = '', portmapPort = '111'] = process.argv.slice(2);
const share = persist.share(folder);
const server = new NfsServer({
  address: '127.0.0.1',
  portmapPort: Number(portmapPort),
  exports: shareTo('127.0.0.1', share),
  publish: () => {},
});
await server.start();
console.log('ready');
