import { once } from 'node:events';
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { messageOf } from '../../backend/errors.ts';
import type { Channel } from './channel.ts';

/** A socket of this machine that leads to programs in nodes. */
export interface ChannelServer {
  readonly server: Server;
  /** Ends it with all that goes through it. */
  close(): void;
}

/**
 * Answers connections to a socket of this machine: `accept` starts the program that a connection is for. `failed` is told
 * why there is none, and how a program has ended badly.
 */
export async function serveChannels(
  where: ListenOptions,
  accept: () => Promise<Channel>,
  failed: (sentence: string) => void,
): Promise<ChannelServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
    accept().then(
      (channel) => join(socket, channel, failed),
      (error: unknown) => {
        socket.destroy();
        failed(messageOf(error));
      },
    );
  });
  server.listen(where);
  await once(server, 'listening');
  return {
    server,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function join(socket: Socket, channel: Channel, failed: (sentence: string) => void): void {
  if (socket.destroyed) {
    channel.close();
    return;
  }
  socket.on('data', (data: Buffer) => channel.write(data));
  socket.once('close', () => channel.close());
  channel.onData((data) => void socket.write(data));
  channel.onEnd((sentence) => {
    socket.end();
    if (sentence !== undefined) failed(sentence);
  });
}
