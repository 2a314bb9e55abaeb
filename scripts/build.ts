// Bundles the extension, the daemon and the command line into dist/, with the files they read at run time.
import { build } from 'esbuild';
import { cpSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
// Replaced, not removed: a lab that runs starts its next daemon from here.
rmSync(join(dist, 'guest'), { recursive: true, force: true });

const entries: Record<string, string> = {
  extension: 'extension/extension.ts',
  daemon: 'backend/daemon.ts',
  'swap-server': 'backend/swap-server.ts',
  cli: 'backend/cli/main.ts',
  'persist-worker': 'backend/persist/worker.ts',
  shaper: 'backend/lab/shaper/main.ts',
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
  // cpu-features is native and optional to ssh2, which dockerode brings.
  external: ['vscode', '@lydell/node-pty', 'cpu-features', '*.node'],
  // CommonJS bundles have no import.meta; sources use import.meta.dirname to find their files.
  define: { 'import.meta.dirname': '__dirname' },
  logLevel: 'warning',
});
await build({
  entryPoints: ['settings.ts', 'settings.css'].map((file) => join(root, 'media/settings', file)),
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
