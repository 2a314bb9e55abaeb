// The process that shapes the links of one node: it stands between QEMU's network cards and their taps. A kept process:
// it goes on when the daemon dies, and ends when QEMU closes its sockets.
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { messageOf } from '../../errors.ts';
import { Pump } from './pump.ts';
import { ShapedCard, shaperSockets, type Direction } from './sockets.ts';

/** QEMU connects while it starts. */
const CONNECT_MS = 60_000;
const READY = 'listening';

async function main(): Promise<void> {
  const cards = ShapedCard.array().parse(JSON.parse(process.argv[2] ?? ''));
  const links = cards.flatMap(({ path, limits }) => {
    const { fromGuest, toGuest } = shaperSockets(path);
    return [fromGuest, toGuest].map((direction) => ({ direction, limits }));
  });
  const servers = await Promise.all(links.map(({ direction }) => listenBoth(direction)));
  console.log(READY);
  const late = setTimeout(() => {
    console.error(`QEMU did not connect within ${CONNECT_MS / 1000} s`);
    process.exit(1);
  }, CONNECT_MS);
  const connected = links.map(async ({ limits }, index) => {
    const [source, target] = await Promise.all((servers[index] ?? []).map(connection));
    if (source === undefined || target === undefined) return;
    new Pump(source, target, limits);
    source.resume();
    // Nothing comes from there, but its end is to be seen.
    target.resume();
  });
  await Promise.all(connected);
  clearTimeout(late);
}

function listenBoth({ source, target }: Direction): Promise<Server[]> {
  return Promise.all([source, target].map(listen));
}

async function listen(path: string): Promise<Server> {
  rmSync(path, { force: true });
  const server = createServer({ pauseOnConnect: true });
  const listening = once(server, 'listening');
  server.listen(path);
  await listening;
  return server;
}

/** The first connection; there is no other. When it ends, QEMU has ended. */
function connection(server: Server): Promise<Socket> {
  return new Promise((resolve) => {
    server.once('connection', (socket: Socket) => {
      server.close();
      socket.on('error', (error) => console.error(error.message));
      socket.on('close', () => process.exit(0));
      resolve(socket);
    });
  });
}

main().catch((error: unknown) => {
  console.error(messageOf(error));
  process.exit(1);
});
