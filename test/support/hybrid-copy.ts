import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { StreamServer } from '../../backend/agent/stream-server.ts';
import { HybridService } from '../../backend/boot/hybrid/service.ts';
import type { BootPlan } from '../../backend/boot/plan.ts';
import { ServedNodes } from '../../backend/boot/served-nodes.ts';
import type { EventBody } from '../../backend/events/bus.ts';
import { guestFolder } from '../../backend/guest/injected.ts';
import { ImageStore } from '../../backend/images/store.ts';
import { scanTarFile } from '../../backend/images/tar/tar-scan.ts';
import { writeTar, type TarEntry } from '../../backend/images/tar/tar-writer.ts';

/** Where connections to a loopback address come from: the only node. */
const CLIENT = '127.0.0.1';

/** A server of hybrid boots on a loopback address, with images made of tar entries. */
export class CopyServer {
  readonly events: EventBody[] = [];
  readonly logged: string[] = [];
  readonly images: ImageStore;
  readonly #folder: string;
  readonly #served = new ServedNodes();
  readonly #server: StreamServer;
  readonly address: string;

  constructor(folder: string, address: string) {
    this.#folder = folder;
    this.address = address;
    this.images = new ImageStore(join(folder, 'store'));
    const publish = (event: EventBody): void => void this.events.push(event);
    const log = (line: string): void => void this.logged.push(line);
    const copiesReported = (): void => undefined;
    const { images } = this;
    const service = new HybridService({ served: this.#served, images, publish, log, copiesReported });
    this.#server = new StreamServer({
      ...{ address, publish, log },
      nodeConfig: () => '',
      requests: service.requests(),
    });
  }

  start(): Promise<void> {
    return this.#server.start();
  }
  async close(): Promise<void> {
    await this.#server.close();
    this.release();
  }
  release(): void {
    this.#served.remove(CLIENT)?.tree.close();
  }

  /** Imports an image and returns its id. */
  async add(name: string, entries: TarEntry[]): Promise<string> {
    const tar = join(this.#folder, `${name}.tar`);
    writeTar(tar, entries);
    const labels = { 'walt.node.models': 'pc-x86-64' };
    return (await this.images.import({ path: tar, name, labels, force: true })).id;
  }

  /** The node boots an image from now on; `injected` is what the server adds to it. */
  async boot(imageId: string, injected: TarEntry[]): Promise<void> {
    this.release();
    const layer = join(this.#folder, `injected-${Math.random()}.tar`);
    writeTar(layer, injected);
    const base = await this.images.tree(imageId);
    const tree = base.withLayer(layer);
    base.close();
    const node = { mac: '52:54:00:00:00:01', ip: CLIENT, name: 'n1', model: 'pc-x86-64', image: 'any' };
    const plan: BootPlan = {
      ...{ id: 'any', node, imageId, tree, warnings: [] },
      injected: () => scanTarFile(layer),
    };
    this.#served.add(plan);
  }

  /** Bytes sent for copies since the last call. */
  takeSent(): number {
    const ends = this.events
      .splice(0)
      .filter((event) => event.kind === 'copy')
      .filter(({ phase }) => phase === 'end');
    return ends.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

/** A disk's folder and the node scripts that copy an image to it, run by busybox on this machine. */
export class CopyingNode {
  readonly folder: string;
  readonly hybrid: string;
  readonly #address: string;
  /** the program that sets extended attributes; '' for a processor without one */
  xattrs = join(guestFolder(), 'xattrs/walt-xattrs-amd64');

  constructor(folder: string, address: string) {
    this.folder = folder;
    this.hybrid = join(folder, 'walt_hybrid');
    this.#address = address;
    mkdirSync(this.hybrid, { recursive: true });
  }

  start(imageId: string, more: { remove?: string; roomToSpareKib?: number } = {}): ChildProcess {
    const scripts = join(guestFolder(), 'bin/_walt_internal_');
    const program = `
BB=/bin/busybox walt_server_ip=${this.#address} walt_server_logs_port=12347 walt_image_id=${imageId}
walt_image_size_kib=1 partition=sda1 walt_hybrid_remove='${more.remove ?? ''}'
step() { echo "*** $1"; }
walt_log() { :; }
HM_PART=${this.folder} HYBRID=${this.hybrid} INJECTED=${this.folder}/injected own=${this.hybrid}/${imageId}
. ${scripts}/walt-hybrid-copy
XATTRS=${this.xattrs}
NAMES=${this.folder}/names ROOM_TO_SPARE_KIB=${more.roomToSpareKib ?? 0}
give_up() { echo ">>> $1"; exit 1; }
prepare_copy
`;
    return spawn('/bin/busybox', ['sh', '-c', program], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** Copies an image; what the console would show, and the status. */
  async copy(imageId: string, more: Parameters<CopyingNode['start']>[1] = {}): Promise<Copied> {
    const child = this.start(imageId, more);
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (text += String(chunk)));
    const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { status, text };
  }

  /** Starts a copy and kills all of it after `ms`, as a power cut would. */
  async cutAfter(imageId: string, ms: number): Promise<void> {
    const child = this.start(imageId);
    const ended = new Promise((resolve) => child.once('close', resolve));
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, ms))]);
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL');
    } catch {
      // It was done already.
    }
    await ended;
  }

  image(id: string): string {
    return join(this.hybrid, id, 'image');
  }

  /** Path, type, mode, owner, size, time, link target of all files of a folder, with their checksums; without its `except`. */
  static describe(folder: string, except: string[] = []): string {
    const run = (program: string): string =>
      execFileSync('sh', ['-c', program], { cwd: folder, encoding: 'utf8', maxBuffer: 64 << 20 });
    const list = run("find . -printf '%P %y %m %U %G %l %T@ \\n'");
    const sums = run('find . -type f -print0 | sort -z | xargs -0 sha256sum');
    // Links get the time of their making.
    return list
      .split('\n')
      .map((line) => line.replace(/^(\S+ l .*) \d+\.\d+ $/, '$1'))
      .filter((line) => !except.includes(line.split(' ')[0] ?? ''))
      .sort()
      .concat(sums.split('\n').filter((line) => !except.includes(line.slice('0'.repeat(64).length + 4))))
      .join('\n');
  }
}
export interface Copied {
  status: number | null;
  text: string;
}
