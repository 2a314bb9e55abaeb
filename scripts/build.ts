// Bundles the extension, the daemon and the command line into dist/, with the files they read at run time.
import { build } from 'esbuild';
import { cpSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootTestJsonSchema } from '../backend/api/boot-test/json-schema.ts';
import { labFileJsonSchema } from '../backend/api/lab-file/json-schema.ts';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
// Replaced, not removed: a lab that runs starts its next daemon from here.
rmSync(join(dist, 'guest'), { recursive: true, force: true });

const entries: Record<string, string> = {
  extension: 'extension/extension.ts',
  daemon: 'backend/daemon.ts',
  'swap-server': 'backend/swap-server.ts',
  cli: 'backend/cli/main.ts',
  'mcp-server': 'backend/cli/mcp-server.ts',
  'persist-worker': 'backend/persist/worker.ts',
  'log-search': 'backend/logs/search-worker.ts',
  shaper: 'backend/lab/shaper/main.ts',
  'gdb-adapter': 'node_modules/cdt-gdb-adapter/dist/debugTargetAdapter.js',
};
await build({
  entryPoints: Object.fromEntries(
    Object.entries(entries)
      .map(([name, file]) => [name, join(root, file)] as const)
      .filter(([, file]) => existsSync(file)),
  ),
  outdir: dist,
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node22',
  sourcemap: true,
  // A process keeps its source in memory: without comments it is smaller, and one byte a character. Lines stay short
  // for those who read a stack.
  minifyWhitespace: true,
  lineLimit: 160,
  // gdb's adapter has a native module for a terminal of gdb's own, which Bootyard does not open.
  external: ['vscode', '@lydell/node-pty', '*.node'],
  // What dockerode brings for engines over ssh and for BuildKit's sessions, and gdb's adapter for boards, which Bootyard
  // does not use.
  alias: Object.fromEntries(
    ['ssh2', '@grpc/grpc-js', '@grpc/proto-loader', 'serialport'].map((name) => [
      name,
      join(import.meta.dirname, 'empty-module.cjs'),
    ]),
  ),
  // CommonJS bundles have no import.meta; sources use import.meta.dirname to find their files.
  define: { 'import.meta.dirname': '__dirname' },
  logLevel: 'warning',
});
await build({
  entryPoints: ['settings', 'timeline', 'logs', 'wall', 'topology'].flatMap((page) =>
    ['ts', 'css'].map((type) => join(root, 'media', page, `${page}.${type}`)),
  ),
  entryNames: '[name]',
  outdir: join(dist, 'webview'),
  bundle: true,
  minify: true,
  platform: 'browser',
  format: 'iife',
  target: 'es2022',
  logLevel: 'warning',
});
cpSync(join(root, 'backend/guest'), join(dist, 'guest'), { recursive: true });
for (const script of ['keeper.sh', 'door.sh']) {
  cpSync(join(root, 'backend/lab', script), join(dist, script), { force: true, errorOnExist: false });
}
cpSync(join(root, 'backend/nodes/captures/capture.pl'), join(dist, 'capture.pl'));
cpSync(join(root, 'node_modules/cdt-gdb-adapter/LICENSE'), join(dist, 'gdb-adapter.LICENSE.txt'));
const schemas = {
  'bootyard.schema.json': labFileJsonSchema(),
  'boot-test.schema.json': bootTestJsonSchema(),
};
for (const [file, schema] of Object.entries(schemas))
  writeFileSync(join(dist, file), JSON.stringify(schema, null, 2));
