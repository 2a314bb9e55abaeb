import { createVSIX } from '@vscode/vsce';
import { build, type BuildOptions } from 'esbuild';
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const suiteFolder = join(import.meta.dirname, 'out');

const forHost: BuildOptions = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node22',
  external: ['vscode', 'mocha'],
  logLevel: 'warning',
};

/** Bundles the suite for the extension host: VS Code loads its entry as CommonJS; mocha stays a package, one for all. */
export async function bundleSuite(): Promise<string> {
  rmSync(suiteFolder, { recursive: true, force: true });
  const sources = readdirSync(join(import.meta.dirname, 'suite')).filter((file) => file.endsWith('.ts'));
  await build({
    entryPoints: sources.map((file) => join(import.meta.dirname, 'suite', file)),
    outdir: suiteFolder,
    sourcemap: true,
    ...forHost,
  });
  // VS Code names the entry without its ending, which only .js allows, and our own package says that .js is a module.
  writeFileSync(join(suiteFolder, 'package.json'), '{"type":"commonjs"}\n');
  return join(suiteFolder, 'index');
}

/** Packages the extension that plays an agent in a folder that is made, and answers its .vsix. */
export async function packageAgent(folder: string): Promise<string> {
  const source = join(import.meta.dirname, 'agent');
  mkdirSync(folder);
  cpSync(join(source, 'package.json'), join(folder, 'package.json'));
  writeFileSync(join(folder, 'LICENSE'), 'MIT\n');
  await build({ entryPoints: [join(source, 'extension.ts')], outdir: folder, ...forHost });
  const packagePath = join(folder, 'agent.vsix');
  await createVSIX({ cwd: folder, packagePath, dependencies: false, allowMissingRepository: true });
  return packagePath;
}

if (import.meta.main) await bundleSuite();
