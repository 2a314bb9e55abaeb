import { existsSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError, messageOf } from '../errors.ts';
import type { Publish } from '../events/bus.ts';
import { findKept, spawnKept } from './kept-process.ts';
import { LogMark } from './log-mark.ts';
import { SwapEvent } from './swap-messages.ts';

export interface SwapProcessParts {
  /** the server's address in the lab */
  address: string;
  /** the lab's folder of sockets and process ids */
  run: string;
  /** on the disk that is to hold the swap space */
  folder: string;
  publish: Publish;
  log: (line: string) => void;
}

const START_MS = 15_000;
const POLL_MS = 50;
const AGAIN_MS = 2_000;
const LOSS = 'nodes boot without swap space of the server';
/** Its objects live shortly, and its buffers are not of the heap. */
const NODE_FLAGS = ['--max-semi-space-size=2', '--max-old-space-size=128'];

/** The files of the kept process, in the lab's run folder. */
export function swapFiles(run: string) {
  return {
    pidFile: join(run, 'swap.pid'),
    exitFile: join(run, 'swap.exit'),
    logFile: join(run, 'swap.log'),
    socket: join(run, 'swap.sock'),
  };
}

/** The server's program: beside the bundle that runs, or in the sources when these run. */
function swapProgram(): string {
  const bundled = join(import.meta.dirname, 'swap-server.cjs');
  return existsSync(bundled) ? bundled : join(import.meta.dirname, '../swap-server.ts');
}

/**
 * The daemon's end of the swap server. The server is started when the first node that can swap boots, and is told of every
 * change of the nodes that run; it is not told anything before `start`, or it would take nodes that are not adopted yet for
 * nodes that are off. Nothing here rejects: what goes wrong is a line in the log, and nodes boot without.
 */
export class SwapProcess {
  readonly #parts: SwapProcessParts;
  readonly #files: ReturnType<typeof swapFiles>;
  readonly #mark: LogMark;
  readonly #closed = new AbortController();
  #clients: Readonly<Record<string, string>> = {};
  #isWanted = false;
  #socket: Socket | undefined;
  #isConnecting = false;
  #isStarted = false;

  constructor(parts: SwapProcessParts) {
    this.#parts = parts;
    this.#files = swapFiles(parts.run);
    this.#mark = new LogMark(this.#files.logFile);
  }

  /** All nodes are adopted: finds the server that an earlier daemon has started. */
  start(): void {
    this.#isStarted = true;
    this.#isWanted ||= findKept(this.#files) !== undefined;
    this.#tell();
  }

  /** `clients`: the boot of each node that runs, by address. `isWanted`: one of them can swap. */
  serve(clients: Readonly<Record<string, string>>, isWanted: boolean): void {
    this.#clients = clients;
    this.#isWanted ||= isWanted;
    this.#tell();
  }

  /** The daemon ends; the server goes on. */
  close(): void {
    this.#closed.abort();
    this.#socket?.destroy();
  }

  #tell(): void {
    if (!this.#isStarted || !this.#isWanted || this.#closed.signal.aborted) return;
    if (this.#socket) this.#socket.write(`${JSON.stringify({ clients: this.#clients })}\n`);
    else if (!this.#isConnecting) void this.#connect();
  }

  async #connect(): Promise<void> {
    this.#isConnecting = true;
    try {
      if (findKept(this.#files) === undefined) await this.#spawn();
      const socket = await this.#reach();
      this.#follow(socket);
      this.#tell();
    } catch (error) {
      if (!this.#closed.signal.aborted) this.#parts.log(`${messageOf(error)} Until then ${LOSS}.`);
    }
    this.#isConnecting = false;
  }

  async #spawn(): Promise<void> {
    const { address, folder } = this.#parts;
    rmSync(this.#files.socket, { force: true });
    const program = [...NODE_FLAGS, swapProgram(), address, folder, this.#files.socket];
    await spawnKept([process.execPath, ...program], this.#files);
  }

  /** A connection as soon as the server takes one. */
  async #reach(): Promise<Socket> {
    const end = Date.now() + START_MS;
    while (Date.now() < end) {
      const socket = await connected(this.#files.socket);
      if (socket) return socket;
      if (findKept(this.#files) === undefined) break;
      await delay(POLL_MS, undefined, { signal: this.#closed.signal });
    }
    const words = this.#mark.lastLines(1).replace(/\.$/, '') || 'it does not answer';
    throw new BootyardError('lab.swap', `The swap server does not run: ${words}.`);
  }

  #follow(socket: Socket): void {
    this.#socket = socket;
    socket.on('error', () => socket.destroy());
    // The reader repeats the socket's error.
    createInterface({ input: socket })
      .on('error', () => undefined)
      .on('line', (line) => this.#take(line));
    socket.on('close', () => {
      this.#socket = undefined;
      if (this.#closed.signal.aborted) return;
      this.#parts.log(
        'The swap server has ended: nodes that had swapped memory to it have lost that memory.',
      );
      void delay(AGAIN_MS, undefined, { signal: this.#closed.signal }).then(
        () => this.#tell(),
        () => undefined,
      );
    });
  }

  #take(line: string): void {
    const event = SwapEvent.safeParse(parsed(line));
    if (!event.success)
      return this.#parts.log(`The swap server said what no daemon knows: ${line.slice(0, 200)}`);
    const { client, phase, cause } = event.data;
    if (phase === 'refused') this.#parts.log(`swap space of ${client}: ${cause}`);
    this.#parts.publish(event.data);
  }
}

function connected(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.off('error', fail);
      resolve(socket);
    });
    const fail = (): void => resolve(undefined);
    socket.once('error', fail);
  });
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
