import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as dial, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { type ApiClient, connect, type StateSnapshot } from '../../backend/api/client.ts';
import type { Change } from '../../backend/api/change.ts';
import type { ByteStream } from '../../backend/api/contract.ts';
import { ApiServer, type ServedHandlers } from '../../backend/api/server.ts';
import { BootyardError } from '../../backend/errors.ts';
import { basicHandlers, LAB, node } from './api-lab.ts';

export const stageOf = (event: StateSnapshot | Change): string =>
  event.type === 'stage' ? event.stage : event.type;

/** A handler that hands its stream to the test. */
export function consoleHandler(): { handler: ServedHandlers['node.console']; opened: Promise<ByteStream> } {
  const opened = Promise.withResolvers<ByteStream>();
  return {
    handler: (_, context) => {
      const stream = context.openStream();
      opened.resolve(stream);
      return { stream: stream.id };
    },
    opened: opened.promise,
  };
}
/** A handler that reports progress. */
export const create: ServedHandlers['node.create'] = (_, context) => {
  context.progress({ message: 'half', fraction: 0.5 });
  context.progress({ message: 'whole', fraction: 1 });
  return node('a');
};

export let folder: string;
export let socketPath: string;
export const cleanup: (() => unknown)[] = [];
beforeEach(() => {
  folder = mkdtempSync('/tmp/bootyard-api-');
  socketPath = join(folder, 'daemon.sock');
  cleanup.push(() => rmSync(folder, { recursive: true }));
});
afterEach(async () => {
  for (const end of cleanup.splice(0).toReversed()) await end();
});

export interface Lab {
  server: ApiServer;
  log: string[];
}
export async function serve(handlers: Partial<ServedHandlers> = {}): Promise<Lab> {
  const log: string[] = [];
  const server = new ApiServer({
    socketPath,
    handlers: { ...basicHandlers, ...handlers },
    snapshot: () => ({ nodes: [node('vnode1')], images: [], lab: LAB }),
    version: '1.2.3',
    log: (line) => void log.push(line),
  });
  await server.start();
  cleanup.push(() => server.close());
  return { server, log };
}
export async function client(): Promise<ApiClient> {
  const connected = await connect(socketPath, { version: '0.0.1' });
  cleanup.push(() => connected.dispose());
  return connected;
}
export const frame = (message: unknown): string => {
  const body = JSON.stringify(message);
  return `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
};
export async function raw(): Promise<Socket> {
  const socket = dial(socketPath);
  socket.on('error', () => {});
  cleanup.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}
export const greeting = (protocol = 1): unknown => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'lab.handshake',
  params: { protocol, version: '9' },
});
export async function errorOf(promise: Promise<unknown>): Promise<BootyardError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof BootyardError)) throw new Error(`no BootyardError but ${String(error)}`);
  return error;
}
