import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  type CaptureInfo,
  DEFAULT_CAPTURE_BYTES,
  LEAST_CAPTURE_BYTES,
  MOST_CAPTURE_BYTES,
  type Trace,
  TRACES,
} from '../api/capture.ts';
import { bootNumber } from './boots.ts';
import { printStream } from './node-console.ts';
import type { LabSession, Session } from './session.ts';
import { formatSize, formatTable } from './table.ts';

interface Which {
  network?: string;
  boot?: number;
}

const NETWORK = ['--network <name>', "one of the node's networks"] as const;
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9 };

/** `bootyard node capture`: the packets of a node's networks. */
export function addNodeCaptureCommands(node: Command, session: Session): void {
  const capture = node.command('capture').description("capture the packets of a node's networks");
  addSwitches(capture, session);
  addReaders(capture, session);
}

function addSwitches(capture: Command, session: Session): void {
  capture
    .command('start')
    .description('capture from now on, and each boot to come from its power-on, until it is stopped')
    .argument('<node>')
    .option(...NETWORK)
    .option(
      '--max-size <size>',
      `of each network and boot, as in 500k, 20M, 2G (default: ${formatSize(DEFAULT_CAPTURE_BYTES)})`,
      sizeInBytes,
    )
    .action((name: string, { network, maxSize }: { network?: string; maxSize?: number }) =>
      session.withLab(async (lab) => {
        const started = await lab.call('node.captureStart', { node: name, network, maxBytes: maxSize });
        if (started.length === 0)
          return session.print(`The packets of ${name} are captured from its next boot on.`);
        session.print(`The packets of ${name} are captured now: ${networksOf(started)}.`);
      }),
    );
  capture
    .command('stop')
    .description('capture no more; what was captured stays')
    .argument('<node>')
    .option(...NETWORK)
    .action((name: string, { network }: Which) =>
      session.withLab(async (lab) => {
        const ended = await lab.call('node.captureStop', { node: name, network });
        session.print(`The packets of ${name} are not captured any more.`);
        for (const one of ended) sayLosses(session, name, one);
      }),
    );
}

function addReaders(capture: Command, session: Session): void {
  capture
    .command('list')
    .description('list the captures of a node: those of its last 5 boots are kept')
    .argument('<node>')
    .option('--json', 'print JSON')
    .action((name: string, { json = false }: { json?: boolean }) =>
      session.withLab(async (lab) => {
        const captures = await lab.call('node.captures', { node: name });
        if (json) session.printJson(captures);
        else session.print(captures.length === 0 ? `Node ${name} has no capture.` : table(captures));
      }),
    );
  capture
    .command('open')
    .description(
      'write a capture as a pcapng file, with the stages of its boot as comments, and print its path',
    )
    .argument('<node>')
    .option(...NETWORK)
    .option('--boot <number>', 'a number of `node boots`, instead of the last one', bootNumber)
    .action((name: string, which: Which) => session.withLab((lab) => open(lab, name, which)));
  capture
    .command('show')
    .description('print the packets of a capture, a line each')
    .argument('<node>')
    .option(...NETWORK)
    .option('--boot <number>', 'a number of `node boots`, instead of the last one', bootNumber)
    .addOption(
      new Option('--trace <protocol>', 'one protocol alone, live: until the capture ends, or ctrl-C').choices(
        TRACES,
      ),
    )
    .action((name: string, { trace, ...which }: Which & { trace?: Trace }) =>
      session.withLab(async (lab) => {
        const { client, signal } = lab;
        const follow = trace !== undefined;
        await printStream(lab, await client.packets({ node: name, ...which, trace, follow }, { signal }));
      }),
    );
}

async function open(lab: LabSession, node: string, which: Which): Promise<void> {
  const { path } = await lab.call('node.captureFile', { node, ...which });
  lab.session.print(path);
  const captures = await lab.call('node.captures', { node });
  const shown = captures.find(
    ({ network, boot }) =>
      (which.network === undefined || network === which.network) &&
      (which.boot === undefined || boot === which.boot),
  );
  if (shown) sayLosses(lab.session, node, shown);
}

/** A capture that does not have all packets is none to be believed unasked. */
function sayLosses(session: Session, node: string, { network, state, maxBytes, lost }: CaptureInfo): void {
  if (state === 'full') {
    session.say(
      `The capture of ${node} in ${network} is full (${formatSize(maxBytes)}): later packets are not in it.`,
    );
  }
  if (lost > 0) session.say(`The capture of ${node} in ${network} has missed ${lost} packets.`);
}

function table(captures: readonly CaptureInfo[]): string {
  const rows = captures.map(({ network, boot, startedAt, state, bytes, maxBytes, lost }) => [
    network,
    boot === null ? '' : String(boot),
    new Date(startedAt).toLocaleString('sv'),
    state,
    `${formatSize(bytes)} of ${formatSize(maxBytes)}`,
    state === 'going on' ? '' : String(lost),
  ]);
  return formatTable(['network', 'boot', 'since', 'state', 'size', 'missed'], rows);
}

function networksOf(captures: readonly CaptureInfo[]): string {
  return captures.map(({ network }) => network).join(', ');
}

function sizeInBytes(text: string): number {
  const [, count, unit = ''] = /^(\d{1,12})([kMG]?)$/.exec(text) ?? [];
  const bytes = Number(count) * (UNITS[unit] ?? 1);
  if (bytes >= LEAST_CAPTURE_BYTES && bytes <= MOST_CAPTURE_BYTES) return bytes;
  throw new InvalidArgumentError(
    `A size is from ${formatSize(LEAST_CAPTURE_BYTES)} to ${formatSize(MOST_CAPTURE_BYTES)}, as in 500k, 20M or 2G.`,
  );
}
