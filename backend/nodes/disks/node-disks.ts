import { z } from 'zod';
import { BootyardError } from '../../errors.ts';
import { applyDisks, freeSpaceWarning, type ReadyDisk } from './apply.ts';
import { forgetReplaced, listDisks, markAttached, removeDisk } from './files.ts';
import { ImageCopies } from './image-copies.ts';
import { planDisks } from './plan.ts';
import { DISK_TEMPLATES, parseDisks } from './setting.ts';
import type { NodeRecord } from '../registry.ts';
import { withDefaults } from '../settings.ts';

/** A disk's file, for clients; `DiskFile` says what the states are. */
export const DiskInfo = z.object({
  name: z.string(),
  state: z.enum(['attached', 'orphan', 'replaced']),
  template: z.enum(DISK_TEMPLATES).nullable(),
  /** as the guest sees it, and what the file takes of the host's disk */
  bytes: z.number(),
  usedBytes: z.number(),
  holdsData: z.boolean(),
});
export type DiskInfo = z.infer<typeof DiskInfo>;

/** The disks of one node: what its setting asks for, and the files that are there. */
export class NodeDisks {
  readonly #record: NodeRecord;
  readonly #folder: string;
  readonly copies: ImageCopies;

  constructor(record: NodeRecord, folder: string) {
    this.#record = record;
    this.#folder = folder;
    this.copies = new ImageCopies(folder);
  }

  /** Before the setting changes to `disks`: throws `disk.loses` when that would set a disk with data aside. */
  async checkChange(disks: string): Promise<void> {
    const wanted = parseDisks(disks);
    const loss = planDisks(await listDisks(this.#folder, wanted), wanted).find(({ loses }) => loses);
    if (!loss) return;
    const sentence = `Node ${this.#record.name}: ${loss.sentence}`;
    throw new BootyardError('disk.loses', sentence, { node: this.#record.name, disk: loss.disk });
  }

  /** A sentence when the disks may outgrow the host's. */
  spaceWarning(): Promise<string | undefined> {
    return freeSpaceWarning(this.#folder, this.#wanted);
  }

  /** Before a start. Disks with data may be set aside: the user has agreed when the setting was changed. */
  prepare(signal: AbortSignal, progress: (message: string) => void): Promise<ReadyDisk[]> {
    const control = {
      signal,
      mayLose: true,
      progress: ({ message }: { message: string }) => progress(message),
    };
    return applyDisks(this.#folder, this.#wanted, control);
  }

  /** QEMU runs with the first `count` disks. */
  attached(count: number): Promise<void> {
    return markAttached(this.#folder, count);
  }

  /** The node has booted with the disks it has now: those that they replaced can go. */
  booted(): Promise<void> {
    return forgetReplaced(this.#folder);
  }

  async list(): Promise<DiskInfo[]> {
    const disks = await listDisks(this.#folder, this.#wanted);
    return disks.map(({ name, state, template, bytes, usedBytes, holdsData }) => ({
      name,
      state,
      template: template ?? null,
      bytes,
      usedBytes,
      holdsData,
    }));
  }

  /** Removes a disk that the setting does not ask for; with data only by `force` (`disk.holdsData`). */
  async remove(name: string, force: boolean): Promise<void> {
    const node = this.#record.name;
    const disk = (await this.list()).find((one) => one.name === name);
    if (!disk) {
      const hint = `\`bootyard node disk show ${node}\` lists those it has`;
      throw new BootyardError('disk.unknown', `Node ${node} has no disk '${name}': ${hint}.`);
    }
    if (disk.state === 'attached') {
      const sentence = `Disk ${name} is in use by the setting of node ${node}: take it out of \`disks\` first.`;
      throw new BootyardError('disk.attached', sentence);
    }
    if (disk.holdsData && !force) {
      throw new BootyardError('disk.holdsData', `Disk ${name} of node ${node} holds data.`);
    }
    await removeDisk(this.#folder, name);
  }

  get #wanted() {
    return parseDisks(withDefaults(this.#record.settings).disks);
  }
}
