import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { nodeRuntime } from '../../backend/api/runtime.ts';
import { BootyardError } from '../../backend/errors.ts';

export interface DoctorReport {
  readonly text: string;
  /** nothing is missing */
  readonly healthy: boolean;
}

/** Runs `bootyard doctor`, which needs no lab, by the command line that belongs to this extension. */
export async function runDoctor(
  nodePath: string | undefined,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<DoctorReport> {
  const program = join(import.meta.dirname, 'cli.cjs');
  if (!existsSync(program)) {
    throw new BootyardError('lab.install', `${program} is missing: build or install Bootyard again.`);
  }
  const runtime = await nodeRuntime(nodePath ?? env.BOOTYARD_NODE, env);
  const child = { env: { ...runtime.env, NO_COLOR: '1' }, signal, maxBuffer: 16 * 1024 * 1024 };
  return new Promise((resolve, reject) => {
    execFile(runtime.node, [program, 'doctor'], child, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') reject(error);
      else resolve({ text: stdout + stderr, healthy: error === null });
    });
  });
}
