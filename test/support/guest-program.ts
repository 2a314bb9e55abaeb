import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { TestLab } from './lab.ts';

/** Compiles a C program of test/boot/guest so that it needs no library, and copies it to `/run` of each node. */
export async function giveProgram(lab: TestLab, name: string, ...nodes: string[]): Promise<void> {
  const source = join(import.meta.dirname, '../boot/guest', `${name}.c`);
  const program = join(lab.home, name);
  execFileSync('gcc', ['-static', '-O1', '-s', '-o', program, source]);
  for (const node of nodes) await lab.bootyard('node', 'cp', program, `${node}:/run/${name}`);
}
