import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Server } from 'node:net';
import { BootyardError, messageOf, systemCode } from '../errors.ts';

/** A UDP socket bound to `address` and `port` (0: any free one). Rejects with the system's error. */
export async function bindUdp(
  address: string,
  port: number,
  options: { reuseAddr?: boolean; recvBufferSize?: number } = {},
): Promise<Socket> {
  const socket = createSocket({
    type: 'udp4',
    ...options,
    // Addresses are never names here, and the usual look-up would cost each packet a turn of the loop.
    lookup: (host, _options, done) => done(null, host, 4),
  });
  try {
    const listening = once(socket, 'listening');
    socket.bind(port, address);
    await listening;
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

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

/** `<name>.port` in one sentence, from the system's error at binding. */
export function portError(
  error: unknown,
  {
    name,
    transport,
    address,
    port,
  }: { name: string; transport: 'TCP' | 'UDP'; address: string; port: number },
): BootyardError {
  const where = `${transport} port ${port} of ${address}`;
  const causes: Record<string, string> = {
    EADDRINUSE: `cannot use ${where}: another program has it; stop that program first`,
    EACCES: `may not use ${where}: start it inside the lab's network namespace`,
    EADDRNOTAVAIL: `cannot use ${where}: no network interface has that address`,
  };
  const cause = causes[systemCode(error) ?? ''] ?? `cannot use ${where}: ${messageOf(error)}`;
  return new BootyardError(`${name.toLowerCase()}.port`, `The ${name} server ${cause}.`, { address, port });
}
