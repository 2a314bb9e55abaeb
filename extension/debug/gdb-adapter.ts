import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as vscode from 'vscode';
import { nodeRuntime } from '../../backend/api/runtime.ts';
import { BootyardError, messageOf } from '../../backend/errors.ts';
import { nodePath } from '../daemon/lab-access.ts';

const run = promisify(execFile);
const GDB_MS = 20_000;

/** What the adapter is told beside the launch configuration: arguments of cdt-gdb-adapter's target session. */
export interface GdbTarget {
  readonly gdb: string;
  /** what to do, whatever the configuration says */
  readonly request?: 'attach';
  readonly program?: string;
  /** said to gdb before it connects */
  readonly preConnectCommands: readonly string[];
  /** said to gdb to connect, or what `target remote` takes */
  readonly target:
    { readonly connectCommands: readonly string[] } | { readonly parameters: readonly string[] };
}

/** The adapter that speaks for gdb, as a process of its own. Throws `debug.gdb` where there is no gdb. */
export async function gdbAdapter(target: GdbTarget): Promise<vscode.DebugAdapterExecutable> {
  await checkGdb(target.gdb);
  const { node, env } = await nodeRuntime(nodePath(), process.env);
  const electron = env.ELECTRON_RUN_AS_NODE;
  const script = join(import.meta.dirname, 'gdb-adapter.cjs');
  return new vscode.DebugAdapterExecutable(node, [script, `--config-frozen=${JSON.stringify(target)}`], {
    env: electron === undefined ? {} : { ELECTRON_RUN_AS_NODE: electron },
  });
}

async function checkGdb(gdb: string): Promise<void> {
  try {
    await run(gdb, ['--version'], { timeout: GDB_MS });
  } catch (error) {
    throw new BootyardError(
      'debug.gdb',
      `${gdb} does not run on this machine (${messageOf(error).split('\n')[0]}): install the package gdb.`,
    );
  }
}
