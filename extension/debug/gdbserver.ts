import { execFile } from 'node:child_process';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { quoted } from '../../backend/api/copy/scripts.ts';
import { BootyardError, messageOf } from '../../backend/errors.ts';
import type { LabClient } from '../daemon/lab-client.ts';
import type { NodeShells } from '../files/node-shell.ts';
import { found } from './channel.ts';
import { giveTo } from './gifts.ts';

const run = promisify(execFile);
/** bytes of gdbserver and its libraries as a tar; they have 6 MB */
const MAX_TAR = 64 << 20;
/** Where gdbserver is put in nodes whose image has none: gone with the next boot. */
const FOLDER = '/run/bootyard-gdbserver';
/** In the folder: how to run it with its own libraries. */
const START = `${FOLDER}/start`;

/**
 * The program that is gdbserver in a node: the image's own, or else a copy of this machine's. Throws `debug.native` when the
 * node has no such program to debug, or neither has gdbserver.
 */
export async function gdbserverOf(
  client: LabClient,
  shells: Pick<NodeShells, 'run'>,
  node: string,
  program: string,
): Promise<string> {
  const script = [
    `if ! [ -f ${quoted(program)} ]; then echo missing`,
    `elif ! [ -x ${quoted(program)} ]; then echo data`,
    'elif command -v gdbserver >/dev/null; then echo own',
    `elif [ -x ${START} ]; then echo copied`,
    'else echo none; fi',
  ];
  const answer = await found(client, node, script, ['missing', 'data', 'own', 'copied', 'none']);
  if (answer === 'missing' || answer === 'data') {
    const what = answer === 'data' ? 'may not be executed' : 'is not there';
    throw new BootyardError('debug.native', `The program ${program} of ${node} ${what}.`);
  }
  if (answer === 'own') return 'gdbserver';
  if (answer === 'none') await giveGdbserver(shells, node);
  return START;
}

async function giveGdbserver(shells: Pick<NodeShells, 'run'>, node: string): Promise<void> {
  const program = await gdbserverOfHost();
  if (program === '') {
    throw new BootyardError(
      'debug.native',
      `gdbserver is neither in the image of ${node} nor on this machine: install the package gdbserver in one of them.`,
    );
  }
  const tar = await tarOf(program).catch((error: unknown) => {
    throw new BootyardError(
      'debug.native',
      `${program} of this machine cannot be copied into ${node}: ${messageOf(error)}`,
    );
  });
  await giveTo(shells, node, { what: 'gdbserver', folder: FOLDER, tar });
}

/** The path of this machine's gdbserver, or nothing. */
async function gdbserverOfHost(): Promise<string> {
  return (await run('sh', ['-c', 'command -v gdbserver || true'])).stdout.trim();
}

/** A gdbserver of this machine with its libraries, and a script that runs it with those, as a tar. */
async function tarOf(program: string): Promise<Buffer> {
  const { stdout } = await run('ldd', [program]);
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, file = '']) => file);
  const loader = basename(libraries.find((file) => /\/ld-linux/.test(file)) ?? '');
  const start = `#!/bin/sh\nexec ${FOLDER}/${loader} --library-path ${FOLDER} ${FOLDER}/gdbserver "$@"\n`;
  const script = `d=$(mktemp -d) && trap 'rm -rf "$d"' EXIT && cp -L -- "$@" "$d" && printf %s ${quoted(start)} >"$d/start" && chmod 755 "$d/start" && tar -cf - -C "$d" .`;
  const words = ['-c', script, 'sh', program, ...libraries];
  return (await run('sh', words, { encoding: 'buffer', maxBuffer: MAX_TAR })).stdout;
}
