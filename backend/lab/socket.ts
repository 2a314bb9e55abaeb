import { connect } from 'node:net';

/** Whether somebody listens on a Unix socket and takes a connection within a second. */
export async function acceptsConnections(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(path);
    socket.setTimeout(1000, () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('connect', () => {
      // An orderly end: a server that greets its clients at once is not answered with a broken pipe.
      socket.resume().end();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
