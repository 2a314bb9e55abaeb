import { execFileSync, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { writeCpio, type CpioEntry } from '../../backend/boot/initrd-cpio.ts';
import { defaultImageTar } from '../support/default-image.ts';

/** The tiny image's files, unpacked below `folder`. */
export async function unpackTiny(folder: string): Promise<void> {
  const { tar } = await defaultImageTar('pc-x86-64-tiny');
  mkdirSync(folder, { recursive: true });
  execFileSync('tar', ['-C', folder, '-xf', tar]);
}

/** All below a folder as entries of an initramfs. */
export function folderEntries(root: string, folder = ''): CpioEntry[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry): CpioEntry[] => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    const full = join(root, path);
    if (entry.isSymbolicLink()) return [{ type: 'symlink', path, target: readlinkSync(full) }];
    const mode = statSync(full).mode & 0o7777;
    if (entry.isDirectory()) return [{ type: 'directory', path, mode }, ...folderEntries(root, path)];
    return [{ type: 'file', path, mode, content: readFileSync(full) }];
  });
}

export function initramfs(entries: readonly CpioEntry[]): Buffer {
  return writeCpio([{ type: 'directory', path: '.', mode: 0o755 }, ...entries]);
}

/** A virtual machine under software emulation whose serial line is its standard input and output. */
export class Machine {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly exited: Promise<unknown>;
  #console = '';
  readonly #watchers = new Set<() => void>();

  /** `devices`: more of QEMU's arguments */
  constructor(options: {
    kernel: string;
    initrd: string;
    arguments?: string;
    network?: string;
    devices?: string[];
  }) {
    // Without a screen the firmware writes to the serial line.
    const machine = [
      '-nodefaults',
      '-no-reboot',
      '-display',
      'none',
      '-machine',
      'pc,graphics=off',
      '-smp',
      '2',
    ];
    const accelerator = ['-accel', 'tcg,thread=single', '-cpu', 'max', '-m', '512', '-serial', 'stdio'];
    const boot = ['-kernel', options.kernel, '-initrd', options.initrd];
    if (options.arguments !== undefined) boot.push('-append', `console=ttyS0 panic=-1 ${options.arguments}`);
    const network = options.network
      ? ['-netdev', `user,id=n0,${options.network}`, '-device', 'virtio-net-pci,netdev=n0']
      : [];
    const argv = [...machine, ...accelerator, ...boot, ...network, ...(options.devices ?? [])];
    this.#process = spawn('qemu-system-x86_64', argv, { stdio: 'pipe' });
    this.exited = once(this.#process, 'close');
    this.#process.stdout.on('data', (chunk: Buffer) => {
      this.#console += chunk.toString('latin1').replaceAll('\r', '');
      for (const watch of this.#watchers) watch();
    });
  }

  get console(): string {
    return this.#console;
  }
  type(text: string): void {
    this.#process.stdin.write(text);
  }
  /** Waits until the console shows a text; rejects with the console when the machine ends before. */
  async shows(text: string): Promise<void> {
    const shown = new Promise<void>((resolve) => {
      const watch = (): void => {
        if (!this.#console.includes(text)) return;
        this.#watchers.delete(watch);
        resolve();
      };
      this.#watchers.add(watch);
      watch();
    });
    await this.during(shown);
  }

  /** Waits for something that the machine brings about; rejects with the console when the machine ends before. */
  during<T>(event: Promise<T>): Promise<T> {
    const ended = this.exited.then((): never => {
      throw new Error(`the machine ended too early:\n${this.#console}`);
    });
    return Promise.race([event, ended]);
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.exited;
  }
}
