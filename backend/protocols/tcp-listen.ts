import type { Server } from 'node:net';

/**
 * Binds a TCP server. Rejects with the system's error when the port cannot be had. What goes wrong at a later accept (such
 * as EMFILE) concerns that client only, which will come again.
 */
export async function listenOn(server: Server, address: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: address, backlog: 511 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', () => {});
}
