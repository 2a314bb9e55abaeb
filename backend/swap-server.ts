// The lab's swap server, a process of its own that outlives the daemon: a guest whose swap space goes away loses the
// memory that lies there, and Linux's NBD client does not come back by itself. Nor does a guest that swaps slow the daemon.
//   swap-server ADDRESS FOLDER SOCKET      (files of swap space go into FOLDER; the daemon is heard at SOCKET)
import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { messageOf } from './errors.ts';
import type { EventBody } from './events/bus.ts';
import { SwapClients } from './lab/swap-messages.ts';
import { NbdServer } from './protocols/nbd/server.ts';
import { SwapExports } from './protocols/nbd/swap-exports.ts';

/** Bytes of events that may wait for the daemon; more are dropped. */
const MOST_WAITING = 256 * 1024;

const [address = '', folder = '', socketPath = ''] = process.argv.slice(2);
const swap = new SwapExports(folder);
const daemons = new Set<Socket>();
/** the boot of each node that runs, by address */
let boots: Readonly<Record<string, string>> = {};

function publish(event: EventBody): void {
  for (const daemon of daemons) {
    if (daemon.writableLength < MOST_WAITING) daemon.write(`${JSON.stringify(event)}\n`);
  }
}
const server = new NbdServer({
  exports: (client) => (Object.hasOwn(boots, client) ? swap.of(client) : []),
  publish,
});

function take(line: string): void {
  const { clients } = SwapClients.parse(JSON.parse(line));
  const ended = Object.keys(boots).filter((client) => boots[client] !== clients[client]);
  boots = clients;
  for (const client of ended) {
    void server.dropClient(client);
    void swap.discard(client);
  }
}

const control = createServer((socket) => {
  daemons.add(socket);
  socket.on('error', () => socket.destroy());
  socket.on('close', () => daemons.delete(socket));
  // The reader repeats the socket's error, which would end the process, and with it the guests' memory.
  const lines = createInterface({ input: socket }).on('error', () => undefined);
  lines.on('line', (line) => {
    try {
      take(line);
    } catch (error) {
      console.error(`not a message of a daemon: ${messageOf(error)}`);
      socket.destroy();
    }
  });
});

async function main(): Promise<void> {
  await server.listen(address);
  rmSync(socketPath, { force: true });
  control.listen(socketPath);
}
process.on('unhandledRejection', (error) => console.error(messageOf(error)));
main().catch((error: unknown) => {
  console.error(messageOf(error));
  process.exit(1);
});
