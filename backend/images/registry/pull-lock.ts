import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { BootyardError, systemCode } from '../../errors.ts';

/**
 * Holds a folder against other processes of this host: an abstract Unix socket (unix(7)), which goes with its process.
 * Throws `image.pulling` when another has it.
 */
export async function lockFolder(folder: string): Promise<Disposable> {
  const server = createServer((socket) => socket.destroy());
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 32);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(systemCode(error) === 'EADDRINUSE' ? busy() : error));
    server.listen(`\0bootyard-pull-${name}`, resolve);
  });
  server.unref();
  return { [Symbol.dispose]: () => void server.close() };
}

function busy(): BootyardError {
  return new BootyardError(
    'image.pulling',
    'This image is being fetched already: wait until that has ended.',
  );
}
