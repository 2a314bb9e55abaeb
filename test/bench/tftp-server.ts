// Our side of the TFTP bench:   tftp-server.ts ADDRESS PORT FOLDER
import { fstatSync, openSync, readSync } from 'node:fs';
import { basename, join } from 'node:path';
import { TftpServer } from '../../backend/protocols/tftp/server.ts';

const [address = '', port = '', folder = ''] = process.argv.slice(2);
const server = new TftpServer({
  address,
  port: Number(port),
  publish: () => {},
  resolve: (_client, path) => {
    const fd = openSync(join(folder, basename(path)), 'r');
    const { size } = fstatSync(fd);
    return { size, read: (target, position) => readSync(fd, target, 0, target.length, position) };
  },
});
await server.start();
