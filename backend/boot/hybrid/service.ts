import type { Socket } from 'node:net';
import { BootyardError, messageOf } from '../../errors.ts';
import type { Publish } from '../../events/bus.ts';
import type { ImageManifest } from '../../images/tree/manifest.ts';
import type { ImageStore } from '../../images/store.ts';
import type { BootPlan } from '../plan.ts';
import type { ServedNodes } from '../served-nodes.ts';
import { CopiesReader, type ReportedCopy } from './copies-report.ts';
import { type Delta, type DeltaParts, makeDelta } from './delta.ts';
import { type Inventory, InventoryReader } from './inventory.ts';
import { gnuEntryHeader, padding } from '../../images/tar/tar-writer.ts';
import { overlayEntries } from './overlay-layer.ts';
import { CopyProgress } from './progress.ts';
import { TarOutput } from './tar-output.ts';

/** A node that neither sends nor takes a byte for so long is given up; it may be computing checksums of large files. ms */
const IDLE_MS = 300_000;
/** Files that WalT injects into the copies it makes (walt.md §3.9), besides those that we inject. */
const WALT_FILES =
  /^(usr\/)?bin\/(walt-[^/]+|_walt_internal_(\/.*)?)$|^etc\/(resolv\.conf\.saved|walt(\/server\.spec)?)$/;

/** Takes a connection whose first line named the request; returns what takes its further lines. */
export type NodeRequest = (socket: Socket, client: string) => (line: string) => void;

export interface HybridParts {
  served: ServedNodes;
  images: Pick<ImageStore, 'tree' | 'manifest' | 'keptManifest'>;
  publish: Publish;
  log: (line: string) => void;
  /** A node says which image copies its disks have. */
  copiesReported: (client: string, copies: ReportedCopy[]) => void;
}

/**
 * Serves copies of images to nodes in hybrid boot. A node is only ever given its own image. It says what it has, and gets
 * what it lacks, until it has all: so a first copy, one that goes on after a power cut, one of an image that is much like
 * another, and the check of a copy are one and the same request.
 */
export class HybridService {
  readonly #parts: HybridParts;
  readonly #busy = new Map<string, Socket>();

  constructor(parts: HybridParts) {
    this.#parts = parts;
  }

  /** Requests of TCP 12347 by name. */
  requests(): Record<string, NodeRequest> {
    return {
      REQ_BOOTYARD_LAYER: (socket, client) => {
        this.#answer(socket, client, (plan) => sendLayer(plan, socket));
        return () => undefined;
      },
      REQ_BOOTYARD_COPY: (socket, client) => this.#copy(socket, client),
      REQ_BOOTYARD_COPIES: (socket, client) => {
        const reader = new CopiesReader();
        return this.#reading(socket, client, (line) => {
          const copies = reader.take(line);
          if (!copies) return false;
          this.#parts.copiesReported(client, copies);
          socket.end();
          return true;
        });
      },
      REQ_BOOTYARD_FAILED: (socket, client) => (line) => {
        const detail = Buffer.from(line, 'latin1')
          .toString()
          .replace(/\p{Cc}/gu, ' ')
          .slice(0, 500);
        this.#parts.publish({ kind: 'agent', phase: 'failed', client, detail });
        socket.end();
      },
    };
  }

  /**
   * A copy: lines as `InventoryReader` takes them. The answer is `COMPLETE`, or `COPY <files> <KiB> <inodes> <n>`, n bytes of
   * paths to remove (each ends with a zero byte), and a tar; its last entry is `c/end`, without which it was cut off.
   */
  #copy(socket: Socket, client: string): (line: string) => void {
    const reader = new InventoryReader();
    // One at a time: a node that asks anew has given the earlier one up.
    this.#busy.get(client)?.destroy();
    this.#busy.set(client, socket);
    socket.once('close', () => {
      if (this.#busy.get(client) === socket) this.#busy.delete(client);
    });
    return this.#reading(socket, client, (line) => {
      const inventory = reader.take(line);
      if (inventory) this.#answer(socket, client, (plan) => this.#sendCopy(plan, inventory, socket));
      return inventory !== undefined;
    });
  }

  /** Hands lines to `take` until it returns true; what it throws ends the connection. */
  #reading(socket: Socket, client: string, take: (line: string) => boolean): (line: string) => void {
    let done = false;
    return (line) => {
      if (done) return;
      try {
        done = take(line);
      } catch (error) {
        done = true;
        this.#refuse(socket, client, error);
      }
    };
  }

  #answer(socket: Socket, client: string, send: (plan: BootPlan) => Promise<void>): void {
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    const plan = this.#parts.served.byAddress(client);
    const sent = plan
      ? send(plan)
      : Promise.reject(new BootyardError('hybrid.unknown', `No node with address ${client} is booting.`));
    sent.catch((error: unknown) => this.#refuse(socket, client, error));
  }

  #refuse(socket: Socket, client: string, error: unknown): void {
    if (!socket.destroyed) this.#parts.log(`hybrid boot of ${client}: ${messageOf(error)}`);
    socket.destroy();
  }

  async #sendCopy(plan: BootPlan, inventory: Inventory, socket: Socket): Promise<void> {
    const { images } = this.#parts;
    if (inventory.imageId !== plan.imageId) {
      const asked = inventory.imageId.slice(0, 12);
      throw new BootyardError('hybrid.image', `The node asked for image ${asked}, but boots another one.`);
    }
    // The plan's own tree ends with its machine, and has the injected files.
    const tree = await images.tree(plan.imageId);
    try {
      const isFirst = inventory.held.size <= 1 && inventory.copies.length === 0;
      const manifest = isFirst ? undefined : await images.manifest(plan.imageId);
      const others = inventory.copies.map((id): ImageManifest | undefined => images.keptManifest(id));
      const isForeign = foreignFiles(plan);
      const delta = await makeDelta({ tree, manifest, inventory, others, isForeign } satisfies DeltaParts);
      if (isNothing(delta)) {
        socket.end('COMPLETE\n');
        return;
      }
      await this.#stream(delta, { tree, socket, client: plan.node.ip });
    } finally {
      tree.close();
    }
  }

  async #stream(
    delta: Delta,
    { tree, socket, client }: { tree: Parameters<TarOutput['file']>[0]; socket: Socket; client: string },
  ): Promise<void> {
    const files = delta.entries.length;
    const progress = new CopyProgress(this.#parts.publish, client, { files, bytes: delta.bytes });
    try {
      const remove = zeroEnded(delta.remove);
      socket.write(`COPY ${files} ${delta.kib} ${delta.inodes} ${remove.length}\n`);
      socket.write(remove);
      const output = new TarOutput(socket, (bytes) => progress.bytes(bytes));
      for (const { header, inode, size } of delta.entries) {
        await output.write(header);
        if (inode !== undefined) await output.file(tree, inode, size);
        progress.file();
      }
      const control = { type: 'file', mode: 0o600 } as const;
      const directories = Buffer.concat([...delta.directories, Buffer.alloc(1024)]);
      await output.entry({ ...control, path: 'c/directories', content: directories });
      await output.entry({ ...control, path: 'c/owners', content: zeroEnded(delta.linkOwners) });
      await output.entry({ ...control, path: 'c/received', content: zeroEnded(delta.received) });
      if (delta.xattrs.length > 0) await sendList(output, delta.xattrs);
      await output.entry({ ...control, path: 'c/end' });
      await output.end();
      progress.end();
    } catch (error) {
      progress.end(messageOf(error));
      throw error;
    }
  }
}

function isNothing({ entries, remove, directories, xattrs }: Delta): boolean {
  return [entries, remove, directories, xattrs].every((part) => part.length === 0);
}

async function sendList(output: TarOutput, parts: readonly string[]): Promise<void> {
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  await output.write(gnuEntryHeader({ path: 'c/xattrs', type: 'file', mode: 0o600 }, size));
  for (const part of parts) await output.write(Buffer.from(part, 'latin1'));
  await output.write(padding(size));
}

/** The injected files as a lower directory; the last entry is `.end`, without which it was cut off. */
async function sendLayer(plan: BootPlan, socket: Socket): Promise<void> {
  const output = new TarOutput(socket);
  for (const entry of overlayEntries(plan.tree, plan.injected())) await output.entry(entry);
  await output.entry({ path: '.end', type: 'file', mode: 0o600 });
  await output.end();
}

function foreignFiles(plan: BootPlan): (path: string) => boolean {
  const injected = new Set(overlayEntries(plan.tree, plan.injected()).map(({ path }) => path));
  return (path) => injected.has(path) || WALT_FILES.test(path);
}

function zeroEnded(paths: readonly string[]): Buffer {
  return Buffer.from(paths.map((path) => `${path}\0`).join(''), 'latin1');
}
