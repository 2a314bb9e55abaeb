import { build } from 'esbuild';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const suiteFolder = join(import.meta.dirname, 'out');

/** Bundles the suite for the extension host: VS Code loads its entry as CommonJS; mocha stays a package, one for all. */
export async function bundleSuite(): Promise<string> {
  rmSync(suiteFolder, { recursive: true, force: true });
  const sources = readdirSync(join(import.meta.dirname, 'suite')).filter((file) => file.endsWith('.ts'));
  await build({
    entryPoints: sources.map((file) => join(import.meta.dirname, 'suite', file)),
    outdir: suiteFolder,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node22',
    sourcemap: true,
    external: ['vscode', 'mocha'],
    logLevel: 'warning',
  });
  // VS Code names the entry without its ending, which only .js allows, and our own package says that .js is a module.
  writeFileSync(join(suiteFolder, 'package.json'), '{"type":"commonjs"}\n');
  return join(suiteFolder, 'index');
}

if (import.meta.main) await bundleSuite();
