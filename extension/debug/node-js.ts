import type { AddressInfo } from 'node:net';
import type { z } from 'zod';
import { quoted } from '../../backend/api/copy/scripts.ts';
import { BootyardError } from '../../backend/errors.ts';
import type { LabClient } from '../daemon/lab-client.ts';
import { found, openChannel, printed } from './channel.ts';
import { serveChannels } from './channel-server.ts';
import { type NodeJsConfiguration, startWords } from './configurations.ts';
import { INSPECTOR_BRIDGE } from './inspector-bridge.ts';

type Program = z.infer<typeof NodeJsConfiguration>;

const BUSYBOX = '/run/walt/rootfs/bin/busybox';
const PRELOAD = '/run/bootyard-inspector.js';
const BRIDGE = '/run/bootyard-inspector-bridge.js';
/**
 * Opens the inspector once Node.js itself is ready, and waits there. Debuggers evaluate expressions as soon as they are
 * attached, which a Node.js that waits by `--inspect-brk`, earlier, does not survive. Children need no debugger.
 */
const PRELOADED = [
  `if (require('worker_threads').isMainThread) {`,
  `process.execArgv.splice(process.execArgv.indexOf('-r'), 2);`,
  `require('inspector').open(0, '127.0.0.1', true); }`,
].join(' ');

/** A program of a node that waits for its debugger, and a port of this host that leads to its inspector. */
export interface ServedInspector {
  /** the inspector's, as a URL of this host; its path is known to nobody else */
  readonly address: string;
  /** Ends the program, and all that goes through the port. */
  close(): Promise<void>;
}

/** Throws `debug.nodejs` when a node has no Node.js, or no such program. */
export async function checkNodeJs(client: LabClient, { node, program, runtime }: Program): Promise<void> {
  const script = [
    `if ! command -v ${quoted(runtime)} >/dev/null; then echo nothing`,
    `elif ! [ -f ${quoted(program)} ]; then echo missing`,
    'else echo all; fi',
  ];
  const answer = await found(client, node, script, ['nothing', 'missing', 'all']);
  if (answer === 'nothing') {
    throw new BootyardError(
      'debug.nodejs',
      `Node ${node} has no ${runtime}: its image needs Node.js (in Debian the package nodejs) to debug its programs.`,
    );
  }
  if (answer === 'missing')
    throw new BootyardError('debug.nodejs', `The program ${program} of ${node} is not there.`);
}

/**
 * Starts a program in its node. Debuggers may connect more than once: the program is there until `close`. `failed` is told
 * what went wrong between them. Throws `debug.nodejs` with what Node.js says when it does not start.
 */
export async function serveInspector(
  client: LabClient,
  program: Program,
  failed: (sentence: string) => void,
): Promise<ServedInspector> {
  const { node, runtime } = program;
  const said = (await printed(client, node, startCommand(program))).trim();
  const [, leader, port, path] = /^started (\d+) (\d+)(\/[\w-]+)$/.exec(said) ?? [];
  if (leader === undefined || port === undefined || path === undefined) {
    const words = said.split('\n').at(-1) || 'it has ended';
    throw new BootyardError(
      'debug.nodejs',
      `${runtime} of ${node} cannot run ${program.program}: ${words.replace(/\.$/, '')}.`,
    );
  }
  // A program that has ended takes nobody any more; the debugger says so.
  const accept = () => openChannel(client, node, `${quoted(runtime)} ${BRIDGE} ${port}; true`);
  const served = await serveChannels({ port: 0, host: '127.0.0.1' }, accept, failed);
  const here = served.server.address() as AddressInfo;
  return {
    address: `ws://127.0.0.1:${here.port}${path}`,
    async close() {
      served.close();
      await printed(client, node, `kill -KILL -- -${leader} 2>/dev/null; true`);
    },
  };
}

/** Prints the program's process, which leads a session of its own, and its inspector's place; or why there is none. */
function startCommand(program: Program): string {
  const start = startWords(program, `${quoted(program.runtime)} -r ${PRELOAD}`);
  return [
    `b=${BUSYBOX}; f=/run/bootyard-inspector-$$; printf %s ${quoted(PRELOADED)} >${PRELOAD}`,
    `printf %s ${quoted(INSPECTOR_BRIDGE.replaceAll('\n', ' '))} >${BRIDGE}`,
    `$b setsid $b sh -c ${quoted(start)} </dev/null >/dev/null 2>$f & p=$!`,
    `until u=$($b sed -n 's|^Debugger listening on ws://127.0.0.1:||p' $f | $b head -n 1) && [ -n "$u" ]`,
    `do kill -0 $p 2>/dev/null || { $b grep . $f | $b tail -n 1; $b rm $f; exit; }; $b usleep 50000; done`,
    `$b rm $f; echo "started $p $u"`,
  ].join('; ');
}
