import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import * as z from 'zod';
import { TestLab, until } from './lab.ts';

const Results = z.array(z.object({ name: z.string(), failures: z.array(z.object({ message: z.string() })) }));

/** A lab with the tiny image, and a folder for files of boot tests. */
export function bootTestLab() {
  const lab = new TestLab();
  const folder = join(lab.home, 'tests');
  beforeAll(async () => {
    mkdirSync(folder, { recursive: true });
    await lab.importDefault('pc-x86-64-tiny');
  });
  afterAll(() => lab.remove());

  function write(name: string, text: string): string {
    const file = join(folder, `${name}.boot.yaml`);
    writeFileSync(file, text);
    return file;
  }
  /** Nodes of tests go, with all they have. */
  async function nothingLeft(): Promise<void> {
    await until(
      'the nodes are gone',
      () => readdirSync(lab.paths.nodes),
      (all) => all.length === 0,
    );
  }
  /** Runs a file; gives what was not as expected, by the names of its cases. */
  async function failuresIn(file: string, status: number): Promise<Record<string, string[]>> {
    const { stdout, ...ended } = await lab.run('test', file, '--json');
    const results = Results.parse(JSON.parse(stdout));
    const failed = Object.fromEntries(
      results.map(({ name, failures }) => [name, failures.map(({ message }) => message)]),
    );
    expect({ ...ended, failed }).toEqual({ status, stderr: '', failed });
    await nothingLeft();
    return failed;
  }
  return { lab, folder, write, nothingLeft, failuresIn };
}
