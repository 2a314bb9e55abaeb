import { spawn, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { isatty } from 'node:tty';
import { BootyardError, messageOf } from '../errors.ts';
import { linesOf } from '../api/lines.ts';
import { waitOrProceed } from './node-power.ts';
import type { LabSession, Session } from './session.ts';
import { UsageError } from './usage.ts';

const AT_ONCE = 16;

/** As ssh ends when its connection does. */
export const CONNECTION_LOST = 255;

/** An interactive root shell; its exit code is the command's. After a reboot of the node it offers to connect again. */
export async function openShell(session: Session, node: string): Promise<void> {
  // Each time with a connection of its own to the daemon, which may have been another one meanwhile.
  do await session.withLab((lab) => runShell(lab, node));
  while (
    session.exitCode === CONNECTION_LOST &&
    session.interactive &&
    (await session.confirm(`The connection to ${node} was lost. Connect again?`))
  );
}

async function runShell(lab: LabSession, node: string): Promise<void> {
  const { session } = lab;
  const nodes = await lab.call('node.list', { nodes: [node] });
  if (nodes.length > 1) {
    const hint = '`bootyard node run` runs a command in all of them';
    throw new BootyardError('node.several', `Sorry, '${node}' is several nodes: name one; ${hint}.`);
  }
  await waitOrProceed(lab, [node]);
  const { argv } = await lab.call('node.shellCommand', { node, tty: isatty(0) });
  if (isatty(0)) session.print('Caution: changes outside /persist will be lost on next node reboot.');
  session.exitCode = await session.leavingInterrupts(() => runWithTerminal(argv));
}

/**
 * One node: its output as it is, and its exit code. Several: at the same time, each line with the name of its node,
 * exit code 0 only if all are.
 */
export async function runInNodes(
  lab: LabSession,
  set: string,
  command: string,
  term: boolean,
): Promise<void> {
  const { session } = lab;
  const nodes = (await lab.call('node.list', { nodes: [set] })).map((node) => node.name);
  if (term && nodes.length > 1) throw new UsageError('--term works with one node only.');
  await waitOrProceed(lab, nodes);
  const argvOf = async (node: string) =>
    (await lab.call('node.shellCommand', { node, command, tty: term })).argv;
  const [single] = nodes;
  if (single !== undefined && nodes.length === 1) {
    const argv = await argvOf(single);
    session.exitCode = await session.leavingInterrupts(() => runWithTerminal(argv));
    return;
  }
  const codes = await inParallel(nodes, async (node) => runPrefixed(await argvOf(node), `${node}: `));
  for (const { node, result } of codes) if (result !== 0) session.say(`${node}: exit code ${result}`);
  session.exitCode = codes.some(({ result }) => result !== 0) ? 1 : 0;
}

/** Runs some at a time; the results are in the order of the nodes. */
export async function inParallel<T>(
  nodes: readonly string[],
  run: (node: string) => Promise<T>,
): Promise<{ node: string; result: T }[]> {
  const results: { node: string; result: T }[] = [];
  const queue = nodes[Symbol.iterator]();
  const worker = async () => {
    for (const node of queue) results.push({ node, result: await run(node) });
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, nodes.length) }, worker));
  return results.sort((one, other) => nodes.indexOf(one.node) - nodes.indexOf(other.node));
}

export async function runWithTerminal(argv: readonly string[]): Promise<number> {
  return await exitCodeOf(start(argv, 'inherit'));
}

async function runPrefixed(argv: readonly string[], prefix: string): Promise<number> {
  const child = start(argv, ['ignore', 'pipe', 'pipe']);
  const { stdout, stderr } = child;
  const ended = exitCodeOf(child);
  await Promise.all([
    stdout ? copyLines(stdout, process.stdout, prefix) : undefined,
    stderr ? copyLines(stderr, process.stderr, prefix) : undefined,
  ]);
  return await ended;
}

function start(argv: readonly string[], stdio: StdioOptions) {
  const [program = '', ...rest] = argv;
  return spawn(program, rest, { stdio });
}

/** As a shell tells it: 128 and the signal's number when a signal ended it. */
async function exitCodeOf(child: ReturnType<typeof start>): Promise<number> {
  return await new Promise((resolve, reject) => {
    child.on('error', (error) => {
      reject(new BootyardError('node.run', `${child.spawnfile} cannot be started: ${messageOf(error)}.`));
    });
    child.on('exit', (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

/** Whole lines, so that those of several nodes do not run into each other. */
export async function copyLines(from: Readable, to: NodeJS.WritableStream, prefix: string): Promise<void> {
  for await (const line of linesOf(from)) await writeLine(to, prefix, line);
}

export async function writeLine(to: NodeJS.WritableStream, prefix: string, line: Buffer): Promise<void> {
  if (!to.write(Buffer.concat([Buffer.from(prefix), line, Buffer.from('\n')]))) await once(to, 'drain');
}
