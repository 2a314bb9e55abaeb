// Our side of the HTTP bench, in a process of its own, with the daemon's own file reading:   http-server.ts FOLDER PORT
import { join } from 'node:path';
import { LayerFile } from '../../backend/images/tree/layer-file.ts';
import type { FileSource } from '../../backend/protocols/file-source.ts';
import { BootHttpServer } from '../../backend/protocols/http/server.ts';

const [folder = '', port] = process.argv.slice(2);
const sources = new Map<string, FileSource>();

function open(path: string): FileSource {
  const file = new LayerFile(join(folder, path));
  return {
    size: file.size,
    read: (target, position) => {
      file.readAt(position, target, 0, target.length);
      return target.length;
    },
    isWarm: (position, length) => file.isWarm(position, length),
    readLater: async (target, position) => {
      await file.readAtCold(position, target, 0, target.length);
      return target.length;
    },
  };
}
for (const name of ['/large', '/small']) sources.set(name, open(name));

const server = new BootHttpServer({
  address: '127.0.0.1',
  port: Number(port),
  resolve: (_client, path) => sources.get(path),
  publish: () => {},
});
await server.start();
