import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type HandlerParts, makeHandlers } from '../../backend/api/handlers.ts';
import type { NodeInfo } from '../../backend/api/node.ts';
import { type Registry, registries } from '../../backend/api/registry-list.ts';
import { ImageFiles } from '../../backend/images/files/image-files.ts';
import { ImageOperations } from '../../backend/nodes/image-operations.ts';
import { type ImageRecord, ImageStore } from '../../backend/images/store.ts';
import type { TarEntry } from '../../backend/images/tar/tar-writer.ts';
import { file, folder as directory, tarOf } from '../unit/images/support.ts';
import { CommandLine, type Outcome } from './cli.ts';

const unused = (): never => {
  throw new Error('not part of this test');
};
/** The same bytes every time, which gzip does not shrink. */
export function noise(bytes: number, seed = 'noise'): string {
  const parts: string[] = [];
  for (let at = 0; at < bytes; at += 64)
    parts.push(createHash('sha256').update(`${seed}${at}`).digest('hex'));
  return parts.join('').slice(0, bytes);
}
const rootOf = (text: string): TarEntry[] => [
  directory('etc'),
  file('etc/hostname', 'box\n'),
  directory('bin'),
  file('bin/data', text),
];

/** The command line, and a daemon of which only the images are real. */
export class RegistryLab {
  readonly cli = new CommandLine();
  readonly storeFolder = join(this.cli.folder, 'store');
  store = new ImageStore(this.storeFolder);
  nodes: NodeInfo[] = [];
  readonly rebooted: string[] = [];

  static async start(): Promise<RegistryLab> {
    const lab = new RegistryLab();
    await lab.cli.startDaemon();
    lab.useStore(lab.store);
    return lab;
  }
  add(host: string, more: Partial<Registry> = {}): void {
    registries(this.cli.env).add({ label: 'own', url: `http://${host}`, ...more }, true);
  }
  useStore(store: ImageStore): void {
    this.store = store;
    this.cli.handlers = this.#handlers();
  }
  async end(): Promise<void> {
    await this.cli.stopDaemon();
    this.cli.remove();
  }

  #handlers(): CommandLine['handlers'] {
    const nodes = {
      list: () => this.nodes,
      reboot: (names: string[]) => {
        this.rebooted.push(...names);
        return this.nodes;
      },
    };
    const operations = new ImageOperations({
      images: this.store,
      nodes: () => this.nodes,
      reboot: (names) => Promise.resolve(nodes.reboot(names)),
    });
    const parts = new Proxy(
      {
        nodes,
        images: this.store,
        linter: { known: () => undefined },
        operations,
        files: new ImageFiles(this.store),
        engines: { list: () => [] },
        imagesChanged: () => {},
      },
      {
        get: (known, name) => Reflect.get(known, name) ?? unused,
      },
    );
    return makeHandlers(parts as unknown as HandlerParts);
  }

  /** A successful run; what it printed. */
  readonly run = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await this.cli.run(args);
    if (code !== 0) throw new Error(`bootyard ${args.join(' ')}: ${code} ${stderr}`);
    return stdout;
  };
  readonly fails = async (...args: string[]): Promise<string> => {
    const outcome: Outcome = await this.cli.run(args);
    if (outcome.code !== 1) throw new Error(`bootyard ${args.join(' ')}: ${outcome.code} ${outcome.stdout}`);
    return outcome.stderr.trim();
  };

  /** A WalT image of one layer with that many bytes of noise. */
  async image(
    name: string,
    bytes = 1000,
    labels: Record<string, string> = { 'walt.node.models': 'pc-x86-64' },
    entries: TarEntry[] = [],
  ): Promise<ImageRecord> {
    const path = join(this.cli.folder, `${name}.tar`);
    writeFileSync(path, tarOf([...rootOf(noise(bytes, name)), ...entries]));
    return this.store.import({ path, name, labels });
  }

  /** Everything in the folder of downloads. */
  downloads(): string[] {
    return readdirSync(join(this.storeFolder, 'bootyard/downloads'), { recursive: true })
      .map(String)
      .toSorted();
  }

  /** Puts a login where `docker login` puts it. */
  dockerConfig(config: object): void {
    const home = join(this.cli.folder, '.docker');
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, 'config.json'), JSON.stringify(config));
  }
}

export const authOf = (login: string): { auth: string } => ({ auth: Buffer.from(login).toString('base64') });
