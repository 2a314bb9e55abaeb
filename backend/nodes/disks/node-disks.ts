import * as z from 'zod';
import { BootyardError } from '../../errors.ts';
import { applyDisks, freeSpaceWarning, type ReadyDisk } from './apply.ts';
import { forgetReplaced, listDisks, markAttached, removeDisk } from './files.ts';
import { ImageCopies, KEPT_PLACE, type ImageCopy, type NamedCopy } from './image-copies.ts';
import {
  KEPT_DISK,
  keepsChanges,
  keptDiskSize,
  makeKeptDisk,
  readyDisks,
  removeKeptDisk,
} from './kept-disk.ts';
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
  /** of images for hybrid boot */
  readonly #copies: ImageCopies;
  /** of network-persistent boots */
  readonly #changes: ImageCopies;

  constructor(record: NodeRecord, folder: string) {
    this.#record = record;
    this.#folder = folder;
    this.#copies = new ImageCopies(folder, 'image-copies.json');
    this.#changes = new ImageCopies(folder, 'kept-changes.json', `${KEPT_PLACE}-`);
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
  async prepare(signal: AbortSignal, progress: (message: string) => void): Promise<ReadyDisk[]> {
    const control = {
      signal,
      mayLose: true,
      progress: ({ message }: { message: string }) => progress(message),
    };
    const { settings } = this.#record;
    const own = await applyDisks(this.#folder, this.#wanted, control);
    if (!keepsChanges(settings)) return own;
    await makeKeptDisk(this.#folder, signal);
    return readyDisks(this.#folder, settings);
  }

  /** QEMU runs with these disks. */
  attached(disks: readonly ReadyDisk[]): Promise<void> {
    return markAttached(this.#folder, disks.filter(({ isKept }) => !isKept).length);
  }

  /** The node has booted with the disks it has now: those that they replaced can go. */
  booted(): Promise<void> {
    return forgetReplaced(this.#folder);
  }

  async list(): Promise<DiskInfo[]> {
    const disks = await listDisks(this.#folder, this.#wanted);
    const kept = await this.#keptDisk();
    const own = disks.map(({ name, state, template, bytes, usedBytes, holdsData }) => ({
      name,
      state,
      template: template ?? null,
      bytes,
      usedBytes,
      holdsData,
    }));
    return kept ? [...own, kept] : own;
  }

  async #keptDisk(): Promise<DiskInfo | undefined> {
    const sizes = await keptDiskSize(this.#folder);
    if (!sizes) return undefined;
    const state = keepsChanges(this.#record.settings) ? 'attached' : 'orphan';
    return { name: KEPT_DISK, state, template: 'ext4', ...sizes, holdsData: true };
  }

  async imageCopies(): Promise<NamedCopy[]> {
    return [...(await this.#copies.list()), ...(await this.#changes.list())];
  }

  /** The node has said what there is where it booted from. */
  copiesReported(copies: readonly ImageCopy[]): Promise<void> {
    const areKept = copies.some(({ partition }) => partition === KEPT_PLACE);
    return (areKept ? this.#changes : this.#copies).reported(copies);
  }

  /** Ids of image copies, or kept changes, that a node that boots is to remove. */
  copiesToRemove(areKept: boolean): Promise<string[]> {
    return (areKept ? this.#changes : this.#copies).tell();
  }

  /** As `ImageCopies.remove`. */
  async removeCopy(name: string, force: boolean): Promise<boolean> {
    return (await this.#copies.remove(name, force)) || this.#changes.remove(name, force);
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
      const change = name === KEPT_DISK ? 'change `boot.mode`' : 'take it out of `disks`';
      const sentence = `Disk ${name} is in use by the setting of node ${node}: ${change} first.`;
      throw new BootyardError('disk.attached', sentence);
    }
    if (disk.holdsData && !force) {
      throw new BootyardError('disk.holdsData', `Disk ${name} of node ${node} holds data.`);
    }
    if (name !== KEPT_DISK) return removeDisk(this.#folder, name);
    await removeKeptDisk(this.#folder);
    await this.#changes.reported([]);
  }

  get #wanted() {
    return parseDisks(withDefaults(this.#record.settings).disks);
  }
}
