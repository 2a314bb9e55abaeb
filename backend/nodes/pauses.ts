import { DiskPause } from './disks/pause.ts';
import { DebugLine } from './debug/debug-line.ts';
import { KernelStub } from './debug/kernel-stub.ts';
import type { Machine, MachinePlace } from './machine.ts';
import type { QmpEvent } from './qmp.ts';

/** What makes a node's machine stand still without its guest's doing: a disk that cannot be written, a debugger. */
export class Pauses {
  readonly stub: KernelStub;
  readonly debugLine: DebugLine;
  readonly #disk: DiskPause;

  /** `changed` is told why the machine stands still, and `undefined` when it goes on. */
  constructor(
    node: { readonly name: string },
    place: MachinePlace,
    folder: string,
    changed: (sentence: string | undefined) => void,
    parts: { log(line: string): void },
  ) {
    this.#disk = new DiskPause(folder, changed);
    this.debugLine = new DebugLine(() => node.name, place);
    this.stub = new KernelStub(
      () => node.name,
      place.gdbSocket,
      changed,
      (line) => parts.log(line),
    );
  }

  follow(machine: Machine): void {
    this.#disk.follow(machine);
    this.stub.follow(machine);
  }

  /** A machine that runs since before this daemon may have paused meanwhile. */
  look(): void {
    this.#disk.look();
  }

  take(event: QmpEvent): void {
    this.#disk.take(event);
    this.stub.take(event);
  }

  /** The machine is gone. */
  reset(): void {
    this.#disk.reset();
    this.stub.reset();
  }
}
