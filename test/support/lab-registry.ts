import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StoreRegistry } from '../../backend/images/lab-registry/store-registry.ts';
import { type ImageRecord, ImageStore, type StoreOptions } from '../../backend/images/store.ts';
import { ImageOperations } from '../../backend/nodes/image-operations.ts';
import type { NodeInfo } from '../../backend/nodes/info.ts';
import { RegistryServer, type RegistryServerParts } from '../../backend/protocols/registry/server.ts';
import { file, folder, tarOf } from '../unit/images/support.ts';
import { noise } from './registry-lab.ts';

let nextPort = 5001;

/** The lab's registry over a store, without a lab around it. */
export class LabRegistry {
  readonly folder = mkdtempSync('/tmp/bootyard-labreg-');
  readonly port: number;
  readonly lines: string[] = [];
  nodes: NodeInfo[] = [];
  store: ImageStore;
  operations!: ImageOperations;
  content!: StoreRegistry;
  #server!: RegistryServer;
  readonly #options: Partial<RegistryServerParts>;
  readonly #storeOptions: StoreOptions;

  constructor(options: Partial<RegistryServerParts> = {}, storeOptions: StoreOptions = {}) {
    this.#options = options;
    this.#storeOptions = storeOptions;
    // Connections of a client to an earlier one may still be open.
    this.port = options.port ?? nextPort++;
    this.store = new ImageStore(join(this.folder, 'store'), storeOptions);
  }

  static async start(
    options: Partial<RegistryServerParts> = {},
    store: StoreOptions = {},
  ): Promise<LabRegistry> {
    const registry = new LabRegistry(options, store);
    await registry.open();
    return registry;
  }

  /** As a daemon does when it starts. */
  async open(): Promise<void> {
    const folder = join(this.folder, 'store/bootyard/registry');
    const images = (this.store = new ImageStore(join(this.folder, 'store'), this.#storeOptions));
    const log = (line: string): void => void this.lines.push(line);
    this.operations = new ImageOperations({
      images,
      nodes: () => this.nodes,
      reboot: () => Promise.resolve(),
    });
    const replace = (
      name: string,
      models: string[],
      work: () => Promise<ImageRecord>,
    ): Promise<ImageRecord> => this.operations.replace(name, 'push', models, work);
    this.content = new StoreRegistry({ images, folder, replace, log });
    this.#server = new RegistryServer({
      address: '127.0.0.1',
      port: this.port,
      content: this.content,
      uploads: join(folder, 'uploads'),
      mayPush: () => true,
      log,
      ...this.#options,
    });
    await this.#server.start();
  }
  /** A client is off. */
  drop(client: string): void {
    this.#server.dropClient(client);
  }
  async close(): Promise<void> {
    this.content.close();
    await this.#server.close();
  }
  async end(): Promise<void> {
    await this.close();
    rmSync(this.folder, { recursive: true });
  }

  get host(): string {
    return `127.0.0.1:${this.port}`;
  }
  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`http://${this.host}/v2/${path}`, init);
  }
  put(path: string, mediaType: string, body: string | Uint8Array<ArrayBuffer>): Promise<Response> {
    return this.fetch(path, { method: 'PUT', headers: { 'content-type': mediaType }, body });
  }

  /** Sends a blob in one piece; answers its digest. */
  async blob(repository: string, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    const { status } = await this.fetch(`${repository}/blobs/uploads/?digest=${digest}`, {
      method: 'POST',
      body: bytes,
    });
    if (status !== 201) throw new Error(`blob: ${status}`);
    return digest;
  }

  /** A WalT image of one layer with that many bytes of noise. */
  async image(name: string, bytes = 1000, models = 'pc-x86-64'): Promise<ImageRecord> {
    const path = join(this.folder, 'root.tar');
    const entries = [folder('etc'), file('etc/hostname', 'box\n'), file('data', noise(bytes, name))];
    writeFileSync(path, tarOf(entries));
    return this.store.import({ path, name, labels: { 'walt.node.models': models } });
  }

  /** What the registry keeps beside the store. */
  kept(): string[] {
    const folder = join(this.folder, 'store/bootyard/registry');
    if (!existsSync(folder)) return [];
    const all = readdirSync(folder, { recursive: true }).map(String);
    return all.filter((name) => statSync(join(folder, name)).isFile()).toSorted();
  }
}
