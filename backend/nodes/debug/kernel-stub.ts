import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import * as z from 'zod';
import { BootyardError, messageOf } from '../../errors.ts';
import type { Machine } from '../machine.ts';
import { escapeOption } from '../qemu-option.ts';
import type { QmpEvent } from '../qmp.ts';
import { monitor } from './kernel-offset.ts';

/** A stop that lasts less is a step of the debugger, and nothing to tell. ms */
const STEP_MS = 1_000;
const ANSWER_MS = 2_000;
const MachineStatus = z.object({ running: z.boolean() });

/** Who debugs: the server's end of a byte stream, which carries no bytes. */
export interface DebugHolder {
  onClose(listener: () => void): void;
  end(message?: string): void;
}

/**
 * QEMU's gdb stub, by which a debugger stops and reads a whole machine: open on a Unix socket as long as somebody holds
 * it, for one debugger at a time.
 */
export class KernelStub {
  readonly #node: () => string;
  readonly #socket: string;
  readonly #changed: (sentence: string | undefined) => void;
  readonly #log: (line: string) => void;
  #machine: Machine | undefined;
  #holder: DebugHolder | undefined;
  #stopTimer: NodeJS.Timeout | undefined;
  #isToldStopped = false;
  /** what is being asked of QEMU: a stub is open or closed by one at a time */
  #turn: Promise<void> = Promise.resolve();

  /** `changed` is told why the machine stands still, and `undefined` when it goes on. */
  constructor(
    node: () => string,
    socket: string,
    changed: (sentence: string | undefined) => void,
    log: (line: string) => void,
  ) {
    this.#node = node;
    this.#socket = socket;
    this.#changed = changed;
    this.#log = log;
  }

  /** The machine that runs; throws `node.off` when none does. */
  get machine(): Machine {
    if (this.#machine) return this.#machine;
    throw new BootyardError('node.off', `Node ${this.#node()} is off: boot it to debug it.`);
  }

  /** From now on about this machine. */
  follow(machine: Machine): void {
    this.#machine = machine;
  }

  /** The machine is gone, and its debugger with it. */
  reset(): void {
    this.#machine = undefined;
    clearTimeout(this.#stopTimer);
    this.#isToldStopped = false;
    const holder = this.#holder;
    this.#holder = undefined;
    holder?.end(`The machine of ${this.#node()} has ended.`);
  }

  /** Opens the stub until `holder` closes; resolves with its socket. Throws `node.debugged` when somebody else holds it. */
  async open(holder: DebugHolder): Promise<string> {
    const { machine } = this;
    if (this.#holder)
      throw new BootyardError('node.debugged', `The kernel of ${this.#node()} is being debugged already.`);
    this.#holder = holder;
    holder.onClose(() => {
      if (this.#holder !== holder) return;
      this.#holder = undefined;
      this.#inTurn(() => this.#close(machine)).catch((error: unknown) =>
        this.#log(`node ${this.#node()}: its debugger: ${messageOf(error)}`),
      );
    });
    try {
      await this.#inTurn(() => this.#listen(machine));
      return this.#socket;
    } catch (error) {
      if (this.#holder === holder) this.#holder = undefined;
      throw error;
    }
  }

  take(event: QmpEvent): void {
    if (event.event === 'STOP' && this.#holder) {
      this.#stopTimer = setTimeout(() => {
        this.#isToldStopped = true;
        this.#changed('Stopped by its debugger.');
      }, STEP_MS);
    }
    if (event.event !== 'RESUME') return;
    clearTimeout(this.#stopTimer);
    if (!this.#isToldStopped) return;
    this.#isToldStopped = false;
    this.#changed(undefined);
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** A debugger that is connected is cut off. */
  async #listen(machine: Machine): Promise<void> {
    await this.#unlisten(machine);
    const said = await monitor(machine, `gdbserver "unix:${escapeOption(this.#socket)},server=on,wait=off"`);
    if (said.startsWith('Waiting for gdb connection')) return;
    throw new BootyardError(
      'node.debug',
      `QEMU opens no socket for a debugger: ${said.trim().replace(/\s+/g, ' ')}`,
    );
  }

  async #unlisten(machine: Machine): Promise<void> {
    await monitor(machine, 'gdbserver none');
    rmSync(this.#socket, { force: true });
  }

  /** Breakpoints of a debugger that went away without a word would stop the machine for good: we say goodbye in its place. */
  async #close(machine: Machine): Promise<void> {
    if (!machine.runs) return;
    await this.#listen(machine);
    await detach(this.#socket);
    await this.#unlisten(machine);
    const { running } = MachineStatus.parse(await machine.query('query-status'));
    if (!running) await machine.query('cont');
  }
}

/**
 * The packet `D` of gdb's remote protocol: removes all breakpoints, and lets the machine go on. The machine is process 1 of
 * QEMU's, which has to be named where the debugger before had agreed on several.
 */
async function detach(path: string): Promise<void> {
  const socket = connect(path);
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.setEncoding('latin1');
  socket.setTimeout(ANSWER_MS, () => resolve());
  socket.once('error', () => resolve());
  socket.once('close', () => resolve());
  let said = '';
  socket.on('data', (text: string) => {
    said += text;
    if (said.includes('$OK#')) resolve();
  });
  socket.write('+$D;1#b0');
  await promise;
  socket.destroy();
}
