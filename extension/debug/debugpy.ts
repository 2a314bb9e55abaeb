import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { quoted } from '../../backend/api/copy/scripts.ts';
import { BootyardError } from '../../backend/errors.ts';
import type { LabClient } from '../daemon/lab-client.ts';
import type { NodeShells } from '../files/node-shell.ts';
import { printed } from './channel.ts';
import { giveTo } from './gifts.ts';

const run = promisify(execFile);
/** bytes of debugpy as a tar; it has 4 MB */
const MAX_TAR = 64 << 20;
/** Where debugpy is put in nodes whose image has none: gone with the next boot. */
const FOLDER = '/run/bootyard-debugpy';
/** Python that does not import debugpy itself, which takes long. */
const LOOK = `import ctypes, importlib.util as u; print("own" if u.find_spec("debugpy") else "python")`;

type Found = 'own' | 'copied' | 'python' | 'part' | 'nothing';

/**
 * The command that runs debugpy's adapter in a node, on its standard input and output. debugpy is the image's own, or else a
 * copy of this machine's. Throws `debug.python` when the node has no Python, or not the whole
 * of it, or neither has debugpy.
 */
export async function debugpyAdapter(
  client: LabClient,
  shells: Pick<NodeShells, 'run'>,
  node: string,
  python: string,
): Promise<string> {
  const found = await lookForPython(client, node, python);
  if (found === 'nothing') {
    throw new BootyardError(
      'debug.python',
      `Node ${node} has no ${python}: its image needs Python (in Debian the package python3) to debug Python programs.`,
    );
  }
  if (found === 'part') {
    throw new BootyardError(
      'debug.python',
      `The ${python} of ${node} has no ctypes, which debugpy needs: its image needs the whole of Python (in Debian the package python3).`,
    );
  }
  if (found === 'python') await giveDebugpy(shells, node);
  const path = found === 'own' ? '' : `PYTHONPATH=${FOLDER}`;
  // A node in software emulation takes its time to start a program.
  return `cd /; exec env ${path} DEBUGPY_PROCESS_SPAWN_TIMEOUT=300 PYDEVD_DISABLE_FILE_VALIDATION=1 ${quoted(python)} -m debugpy.adapter`;
}

async function lookForPython(client: LabClient, node: string, python: string): Promise<Found> {
  const word = quoted(python);
  const script = [
    `if ! command -v ${word} >/dev/null; then echo nothing`,
    `elif ! found=$(${word} -c '${LOOK}' 2>/dev/null); then echo part`,
    `elif [ $found = python ] && [ -d ${FOLDER}/debugpy ]; then echo copied`,
    'else echo $found; fi',
  ];
  const said = (await printed(client, node, script.join('; '))).trim();
  const answer = (['own', 'copied', 'python', 'part', 'nothing'] as const).find((one) => one === said);
  if (answer === undefined)
    throw new BootyardError('debug.python', `Node ${node} does not answer: is it booted?`);
  return answer;
}

async function giveDebugpy(shells: Pick<NodeShells, 'run'>, node: string): Promise<void> {
  const tar = await debugpyOfHost();
  if (!tar) {
    throw new BootyardError(
      'debug.python',
      `debugpy is neither in the image of ${node} nor on this machine: install the package python3-debugpy in one of them.`,
    );
  }
  await giveTo(shells, node, { what: 'debugpy', folder: FOLDER, tar });
}

/** What of this machine's debugpy runs anywhere, as a tar; undefined where there is none. */
async function debugpyOfHost(): Promise<Buffer | undefined> {
  const folder = (await folderWithDebugpy('python3')) ?? (await folderWithDebugpy('/usr/bin/python3'));
  if (folder === undefined) return undefined;
  // In Debian pydevd and bytecode are packages of their own; elsewhere they are parts of debugpy.
  const isWhole = existsSync(join(folder, 'debugpy/_vendored/pydevd'));
  const parts = isWhole ? /^bytecode$/ : /^(bytecode|_?pydev(?!.*-info$).*)$/;
  const names = ['debugpy', ...readdirSync(folder).filter((name) => parts.test(name))];
  const words = ['-C', folder, '-h', '--exclude=*.so', '-cf', '-', ...names];
  const { stdout } = await run('tar', words, { encoding: 'buffer', maxBuffer: MAX_TAR });
  return stdout;
}

/** The distribution's Python may not be the one that comes first here. */
async function folderWithDebugpy(python: string): Promise<string | undefined> {
  const where = 'import debugpy, os; print(os.path.dirname(os.path.dirname(debugpy.__file__)))';
  return await run(python, ['-c', where]).then(
    ({ stdout }) => stdout.trim(),
    () => undefined,
  );
}
