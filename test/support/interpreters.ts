import { execFileSync } from 'node:child_process';
import { globSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestLab } from './lab.ts';
import { importVariant, librariesOfHost, programOfHost } from './variant.ts';

const DESCRIBE = `import os, sys; print(os.path.realpath(sys.executable)); print(os.path.dirname(os.__file__))`;

/**
 * Imports the tiny image with the Python of this host, and the Node.js that runs this, under another name; with the host's
 * debugpy only when that is said. gdbserver is not in it.
 */
export async function importInterpreters(lab: TestLab, name: string, hasDebugpy = false): Promise<void> {
  const said = execFileSync('/usr/bin/python3', ['-c', DESCRIBE], { encoding: 'utf8' });
  const [program = '', library = ''] = said.split('\n');
  const modules = globSync(join(library, 'lib-dynload/*.so'));
  const python = { ...programOfHost(program), ...librariesOfHost(...modules), 'usr/bin/python3': program };
  const copy = { ...python, ...programOfHost(process.execPath) };
  const folders = hasDebugpy ? [library, ...debugpyFiles()] : [library];
  await importVariant(lab, name, { copy, folders });
}

/** What Debian's package python3-debugpy and those that it needs have. */
function debugpyFiles(): string[] {
  const packages = '/usr/lib/python3/dist-packages';
  return readdirSync(packages)
    .filter((name) => /^(debugpy|bytecode|_?pydev\w*)(\.py)?$/.test(name))
    .map((name) => join(packages, name));
}
