import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { z } from 'zod';
import type { LabClient } from '../daemon/lab-client.ts';
import type { NodeShells } from '../files/node-shell.ts';
import { openChannel } from './channel.ts';
import { serveChannels } from './channel-server.ts';
import { type NativeConfiguration, pathHere, sourceCommands, startWords } from './configurations.ts';
import type { GdbTarget } from './gdb-adapter.ts';
import { gdbserverOf } from './gdbserver.ts';

type Program = z.infer<typeof NativeConfiguration>;

export interface ServedGdbserver {
  /** the path of a Unix socket that leads to gdbserver, for one gdb */
  readonly socket: string;
  /** the file of the node that has what the program prints */
  readonly output: string;
  /** Ends gdbserver, and with it the program. */
  readonly close: () => void;
}

/** Starts a program in its node under gdbserver. `failed` is told how that has ended badly. Throws `debug.native`. */
export async function serveGdbserver(
  client: LabClient,
  shells: Pick<NodeShells, 'run'>,
  configuration: Program,
  failed: (sentence: string) => void,
): Promise<ServedGdbserver> {
  const { node, program } = configuration;
  const gdbserver = await gdbserverOf(client, shells, node, program);
  // gdb has gdbserver's standard output; what the program prints goes where gdbserver's own words go.
  const output = `/run/bootyard-output-${randomBytes(4).toString('hex')}`;
  const start = startWords(configuration, `${gdbserver} --once -`);
  const channel = await openChannel(client, node, `${start} 2>${output}`);
  const folder = mkdtempSync(join(tmpdir(), 'by-gdb-'));
  const socket = join(folder, 'socket');
  const served = await serveChannels({ path: socket }, () => Promise.resolve(channel), failed);
  const close = (): void => {
    channel.close();
    served.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { socket, output, close };
}

/** What the adapter of gdb is told of a program whose gdbserver is at `socket`. */
export function gdbTarget({ gdb, program, pathMappings, commands }: Program, socket: string): GdbTarget {
  const here = pathHere(pathMappings, program);
  return {
    gdb,
    request: 'attach',
    ...(here !== undefined && existsSync(here) ? { program: here } : {}),
    preConnectCommands: [...sourceCommands(pathMappings), ...commands],
    target: { parameters: [socket] },
  };
}
