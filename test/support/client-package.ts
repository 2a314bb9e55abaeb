import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repository } from './lab.ts';

const run = promisify(execFile);

/** A project in a temporary folder, which is for the caller to remove: the packed client is installed in it. */
export async function projectWithClient(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'bootyard-client-'));
  const pack = ['pack', '--silent', '--pack-destination', folder];
  const { stdout } = await run('npm', pack, { cwd: join(repository, 'client') });
  const modules = join(folder, 'node_modules');
  mkdirSync(modules);
  await run('tar', ['-xzf', join(folder, stdout.trim()), '-C', modules]);
  renameSync(join(modules, 'package'), join(modules, 'bootyard-client'));
  for (const name of ['zod', 'vscode-jsonrpc', '@types']) {
    symlinkSync(join(repository, 'node_modules', name), join(modules, name));
  }
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
  return folder;
}

/** The one program of the client's README, written into a project. */
export function writeExample(folder: string): string {
  const readme = readFileSync(join(folder, 'node_modules/bootyard-client/README.md'), 'utf8');
  const [example, ...others] = [...readme.matchAll(/^```ts\n([^]*?)^```$/gm)];
  if (example?.[1] === undefined || others.length > 0) throw new Error('the README has one program');
  const file = join(folder, 'example.ts');
  writeFileSync(file, example[1]);
  return file;
}
