import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { z } from 'zod';
import { quoted } from '../../backend/api/copy/scripts.ts';
import { BootyardError } from '../../backend/errors.ts';
import type { LabClient } from '../daemon/lab-client.ts';
import type { NodeShells } from '../files/node-shell.ts';
import { found } from './channel.ts';
import type { PythonConfiguration } from './configurations.ts';
import { giveTo } from './gifts.ts';

const run = promisify(execFile);
/** bytes of debugpy as a tar; it has 4 MB */
const MAX_TAR = 64 << 20;
/** Where debugpy is put in nodes whose image has none: gone with the next boot. */
const FOLDER = '/run/bootyard-debugpy';
/** Python that does not import debugpy itself, which takes long. */
const LOOK = `import ctypes, importlib.util as u; print("own" if u.find_spec("debugpy") else "python")`;

const FOUND = ['own', 'copied', 'python', 'part', 'missing', 'nothing'] as const;
type Found = (typeof FOUND)[number];
type Program = Pick<z.infer<typeof PythonConfiguration>, 'node' | 'python' | 'program'>;

/**
 * The command that runs debugpy's adapter in a node, on its standard input and output. debugpy is the image's own, or else a
 * copy of this machine's. Throws `debug.python` when the node has no such program, no Python,
 * or not the whole of it, or when neither has debugpy.
 */
export async function debugpyAdapter(
  client: LabClient,
  shells: Pick<NodeShells, 'run'>,
  configuration: Program,
): Promise<string> {
  const { node, python } = configuration;
  const state = await lookForPython(client, configuration);
  const refusal = refused(state, configuration);
  if (refusal !== undefined) throw new BootyardError('debug.python', refusal);
  if (state === 'python') await giveDebugpy(shells, node);
  const path = state === 'own' ? '' : `PYTHONPATH=${FOLDER}`;
  // A node in software emulation takes its time to start a program.
  return `cd /; exec env ${path} DEBUGPY_PROCESS_SPAWN_TIMEOUT=300 PYDEVD_DISABLE_FILE_VALIDATION=1 ${quoted(python)} -m debugpy.adapter`;
}

function refused(state: Found, { node, python, program }: Program): string | undefined {
  const image = `its image needs %s (in Debian the package python3) to debug Python programs.`;
  if (state === 'nothing') return `Node ${node} has no ${python}: ${image.replace('%s', 'Python')}`;
  if (state === 'missing') return `The program ${program} of ${node} is not there.`;
  if (state === 'part')
    return `The ${python} of ${node} has no ctypes: ${image.replace('%s', 'the whole of Python')}`;
  return undefined;
}

async function lookForPython(client: LabClient, { node, python, program }: Program): Promise<Found> {
  const word = quoted(python);
  const script = [
    `if ! command -v ${word} >/dev/null; then echo nothing`,
    ...(program === undefined ? [] : [`elif ! [ -f ${quoted(program)} ]; then echo missing`]),
    `elif ! found=$(${word} -c '${LOOK}' 2>/dev/null); then echo part`,
    `elif [ $found = python ] && [ -d ${FOLDER}/debugpy ]; then echo copied`,
    'else echo $found; fi',
  ];
  return await found(client, node, script, FOUND);
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
  const words = ['-C', folder, '-h', '--exclude=*.cpython-*.so', '-cf', '-', ...names];
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
