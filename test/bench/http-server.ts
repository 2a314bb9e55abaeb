// Our side of the HTTP bench, in a process of its own:   http-server.ts FOLDER PORT
import { fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { FileSource } from '../../backend/protocols/file-source.ts';
import { BootHttpServer } from '../../backend/protocols/http/server.ts';

const [folder = '', port] = process.argv.slice(2);
const sources = new Map<string, FileSource>();

function open(path: string): FileSource {
  const fd = openSync(join(folder, path), 'r');
  return {
    size: fstatSync(fd).size,
    read: (target, position) => readSync(fd, target, 0, target.length, position),
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
