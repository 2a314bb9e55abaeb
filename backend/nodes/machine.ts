import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError, systemCode } from '../errors.ts';
import {
  findKept,
  isAlive,
  spawnKept,
  watchKept,
  type KeptExit,
  type KeptFiles,
} from '../lab/kept-process.ts';
import { guestEnd } from './console-scanner.ts';
import { QmpClient, type QmpEvent } from './qmp.ts';

/** How a machine ended. */
export interface MachineEnd {
  /** by the guest (`reboot`, `poweroff`), by us (`stopped`), by an error of QEMU's own, or nobody saw it */
  kind: 'reboot' | 'poweroff' | 'stopped' | 'crashed' | 'unseen';
  /** what QEMU said last, when it crashed */
  detail: string | undefined;
}

export interface MachinePlace extends KeptFiles {
  /** QEMU's own messages */
  logFile: string;
  qmpSocket: string;
  consoleSocket: string;
  consoleLog: string;
  /** the second serial line, where the guest's agent is told what a pause or a copy changed */
  controlSocket: string;
  /** the third serial line, where the guest runs programs for debuggers */
  debugSocket: string;
  /** where a debugger reaches the kernel, while that is asked for */
  gdbSocket: string;
}

/** Files of one node: `folder` lasts, `run` holds sockets and must have a short path. */
export function machinePlace(folder: string, run: string, mac: string): MachinePlace {
  const short = mac.replaceAll(':', '');
  return {
    pidFile: join(folder, 'qemu.pid'),
    exitFile: join(folder, 'qemu.exit'),
    logFile: join(folder, 'qemu.log'),
    consoleLog: join(folder, 'console.log'),
    qmpSocket: join(run, `${short}.qmp`),
    consoleSocket: join(run, `${short}.tty`),
    controlSocket: join(run, `${short}.ctl`),
    debugSocket: join(run, `${short}.dbg`),
    gdbSocket: join(run, `${short}.gdb`),
  };
}

/** How long QEMU may take to end when asked to. ms */
const TERM_MS = 3_000;
const RECONNECT_MS = 500;
const LAST_WORDS_MS = 500;

/** One QEMU process, which is one boot of a node. It outlives this object; only `stop` and the guest end it. */
export class Machine {
  readonly pid: number;
  /** resolves when the process has ended; never when `release` came first */
  readonly ended: Promise<MachineEnd>;
  readonly #place: MachinePlace;
  readonly #released = new AbortController();
  readonly #gone = new AbortController();
  readonly #onEvent: (event: QmpEvent) => void;
  #qmp: QmpClient | undefined;
  #shutdown: string | undefined;
  #stopping = false;

  private constructor(pid: number, place: MachinePlace, onEvent: (event: QmpEvent) => void) {
    this.pid = pid;
    this.#place = place;
    this.#onEvent = onEvent;
    this.ended = this.#watch();
  }

  /**
   * Starts QEMU; resolves when it runs its guest, and `begin` is done. Throws `node.qemu` with QEMU's last line when it ends before that,
   * `lab.command` when there is no QEMU.
   */
  static async start(
    argv: readonly string[],
    place: MachinePlace,
    onEvent: (event: QmpEvent) => void = () => undefined,
    begin: (machine: Machine) => Promise<void> = () => Promise.resolve(),
  ): Promise<Machine> {
    forget(place);
    rmSync(place.logFile, { force: true });
    const { pid } = await spawnKept(argv, place);
    const machine = new Machine(pid, place, onEvent);
    try {
      await machine.#connect();
      await begin(machine);
      return machine;
    } catch (error) {
      // The connection may end a moment before the process does.
      await Promise.race([machine.ended, delay(LAST_WORDS_MS)]);
      const seen = machine.#gone.signal.aborted;
      const detail = lastLine(place.logFile);
      await machine.stop();
      if (!seen) throw error;
      throw new BootyardError('node.qemu', `QEMU did not start: ${detail ?? 'it ended without a word'}.`);
    }
  }

  /** The machine that an earlier daemon started, if it still runs. Its QEMU is talked to as soon as it answers. */
  static adopt(
    place: MachinePlace,
    onEvent: (event: QmpEvent) => void = () => undefined,
  ): Machine | undefined {
    const kept = findKept(place);
    if (!kept) return undefined;
    const machine = new Machine(kept.pid, place, onEvent);
    void machine.#reconnect();
    return machine;
  }

  /** How the machine ended that an earlier daemon started and that runs no more. */
  static async endOf(place: MachinePlace): Promise<MachineEnd> {
    return judge(await watchKept(place), undefined, false, place);
  }

  get runs(): boolean {
    return isAlive(this.#place);
  }

  /** Asks QEMU something; throws `node.qmp` when it does not answer. */
  async query(command: string, args?: Record<string, unknown>): Promise<unknown> {
    if (!this.#qmp) throw new BootyardError('node.qmp', 'QEMU is not connected at the moment.');
    return this.#qmp.execute(command, args);
  }

  /** Ends QEMU at once, as a pulled plug would; resolves when the process is gone. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#signal('SIGTERM');
    const late = delay(TERM_MS, undefined, { signal: this.#gone.signal }).then(
      () => this.#signal('SIGKILL'),
      () => undefined,
    );
    await Promise.all([late, this.ended]);
  }

  /** Lets go of a machine that goes on: the daemon ends. */
  release(): void {
    this.#released.abort();
    this.#qmp?.close();
  }

  /** The number may belong to another process once ours is gone, so it is looked at right before. */
  #signal(name: NodeJS.Signals): void {
    if (!isAlive(this.#place)) return;
    try {
      process.kill(this.pid, name);
    } catch (error) {
      if (systemCode(error) !== 'ESRCH') throw error;
    }
  }

  async #watch(): Promise<MachineEnd> {
    const exit = await watchKept(this.#place, this.#released.signal).catch(() => undefined);
    // Released: the machine goes on, and nobody here is to hear of its end.
    if (!exit) return new Promise(() => undefined);
    // What QEMU said last may still be in the socket.
    await Promise.race([this.#qmp?.closed, delay(LAST_WORDS_MS)]);
    this.#gone.abort();
    return judge(exit, this.#shutdown, this.#stopping, this.#place);
  }

  async #connect(): Promise<void> {
    const qmp = await QmpClient.connect(this.#place.qmpSocket, {
      onEvent: (event) => this.#event(event),
      onClose: () => void this.#reconnect(),
      signal: AbortSignal.any([this.#gone.signal, this.#released.signal]),
    });
    this.#qmp = qmp;
    // QEMU talks to one client at a time: a connection that nobody closes would shut out the next daemon.
    if (this.#released.signal.aborted) qmp.close();
  }

  /** QEMU lives, but its socket ended or an earlier daemon held it: try until either end is gone. */
  async #reconnect(): Promise<void> {
    this.#qmp = undefined;
    while (!this.#gone.signal.aborted && !this.#released.signal.aborted) {
      try {
        return await this.#connect();
      } catch {
        const signal = AbortSignal.any([this.#gone.signal, this.#released.signal]);
        await delay(RECONNECT_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  #event(event: QmpEvent): void {
    if (event.event === 'SHUTDOWN') this.#shutdown = String(event.data.reason ?? '');
    this.#onEvent(event);
  }
}

/** Makes the folders, and removes what an earlier machine left. */
export function forget(place: MachinePlace): void {
  mkdirSync(join(place.qmpSocket, '..'), { recursive: true, mode: 0o700 });
  for (const file of [
    place.pidFile,
    place.exitFile,
    place.qmpSocket,
    place.consoleSocket,
    place.controlSocket,
    place.debugSocket,
    place.gdbSocket,
  ]) {
    rmSync(file, { force: true });
  }
}

function judge(
  exit: KeptExit,
  shutdown: string | undefined,
  stopping: boolean,
  place: MachinePlace,
): MachineEnd {
  if (stopping) return { kind: 'stopped', detail: undefined };
  if (shutdown === 'guest-reset') return { kind: 'reboot', detail: undefined };
  if (shutdown === 'guest-shutdown') return { kind: 'poweroff', detail: undefined };
  if (exit.code === 0 || (exit.code === null && exit.signal === null)) {
    return { kind: 'unseen', detail: exit.code === 0 ? 'ended' : 'gone' };
  }
  const how = exit.signal ? `signal ${exit.signal}` : `exit code ${exit.code}`;
  return { kind: 'crashed', detail: `${how}: ${lastLine(place.logFile) ?? 'no message'}` };
}

/** QEMU's last message, without its own name before it. */
function lastLine(file: string): string | undefined {
  try {
    const line = readFileSync(file, 'utf8').trim().split('\n').at(-1)?.trim().slice(-300);
    return line?.replace(/^\S*qemu-system-\S+: /, '').replace(/\.$/, '') || undefined;
  } catch {
    return undefined;
  }
}

/** Nobody saw how the machine ended: the guest's last words on the console tell, or what it was doing. */
export function endKind(end: MachineEnd, consoleTail: string, wasBooting: boolean): MachineEnd['kind'] {
  if (end.kind !== 'unseen' || end.detail !== 'ended') return end.kind;
  return guestEnd(consoleTail) ?? (wasBooting ? 'reboot' : 'poweroff');
}
