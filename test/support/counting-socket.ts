import { rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { once } from 'node:events';

/** A Unix socket that leads to another one, and counts what comes from there. */
export class CountingSocket {
  /** bytes */
  received = 0;
  readonly path: string;
  readonly #server: Server;

  private constructor(path: string, to: string) {
    this.path = path;
    this.#server = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect({ path: to, allowHalfOpen: true });
      far.on('data', (chunk: Buffer) => (this.received += chunk.length));
      for (const [from, into] of [
        [near, far],
        [far, near],
      ] as const) {
        from.pipe(into);
        from.on('error', () => into.destroy());
        from.on('close', () => into.destroy());
      }
    });
  }

  static async to(socket: string): Promise<CountingSocket> {
    const path = `${socket}.counted`;
    const counting = new CountingSocket(path, socket);
    counting.#server.listen(path);
    await once(counting.#server, 'listening');
    return counting;
  }
  close(): void {
    this.#server.close();
    rmSync(this.path, { force: true });
  }
}
