import { execFileSync } from 'node:child_process';
import type { TestLab } from './lab.ts';
import { importVariant, programOfHost } from './variant.ts';

const DESCRIBE = `import os, sys; print(os.path.realpath(sys.executable)); print(os.path.dirname(os.__file__))`;

/** Imports the tiny image with the Python of this host under another name; debugpy is not in it. */
export async function importPython(lab: TestLab, name: string): Promise<void> {
  const said = execFileSync('/usr/bin/python3', ['-c', DESCRIBE], { encoding: 'utf8' });
  const [program = '', library = ''] = said.split('\n');
  const copy = { ...programOfHost(program), 'usr/bin/python3': program };
  await importVariant(lab, name, { copy, folders: [library] });
}
