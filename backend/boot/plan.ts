import { randomBytes } from 'node:crypto';
import { constants, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { BootyardError, messageOf } from '../errors.ts';
import type { LayerIndex } from '../images/tree/layer-index.ts';
import type { ImageRecord, ImageStore } from '../images/store.ts';
import { scanTarFile } from '../images/tar/tar-scan.ts';
import { writeTar } from '../images/tar/tar-writer.ts';
import type { ImageTree } from '../images/tree/tree.ts';
import { armFirmware } from '../lab/arm.ts';
import type { BootReads } from './boot-reads.ts';
import { pcFirmware, type FirmwareKind, type NodeFirmware } from './firmware.ts';
import type { Finding } from './lint/finding.ts';
import type { ImageLinter } from './lint/linter.ts';
import { injectedLayer, type LabIdentity } from './injected-layer.ts';
import { modelFor, nodeModel } from './models.ts';
import type { ServedNodes } from './served-nodes.ts';
import { ubootFirmware } from './uboot.ts';

export interface PlannedNode {
  mac: string;
  ip: string;
  name: string;
  model: string;
  /** name of the image */
  image: string;
}
/** What one power-on is made of. It stays the same until the node's next power-on, across restarts of the daemon. */
export interface BootPlan {
  /** hex */
  readonly id: string;
  readonly node: PlannedNode;
  /** 64 hex digits */
  readonly imageId: string;
  /** the image's layers and the injected one */
  readonly tree: ImageTree;
  /** the index of the injected layer alone */
  injected(): LayerIndex;
  /** sentences on what of the image could not be used as it wants; the boot goes on without */
  readonly warnings: readonly string[];
}

const SavedPlan = z.object({
  id: z.string().regex(/^[0-9a-f]{16}$/),
  imageId: z.string().regex(/^[0-9a-f]{64}$/),
  node: z.object({ mac: z.string(), ip: z.string(), name: z.string(), model: z.string(), image: z.string() }),
});
type SavedPlan = z.infer<typeof SavedPlan>;

export interface PlannerParts {
  images: ImageStore;
  linter: Pick<ImageLinter, 'beforeBoot' | 'afterBoot'>;
  served: ServedNodes;
  reads: Pick<BootReads, 'follow' | 'save' | 'readAhead'>;
  lab: LabIdentity;
  /** ends a node's connections: a machine that is off never will */
  dropClient: (address: string) => void;
  log: (line: string) => void;
}

/** Makes boot plans, and finds those of nodes that run since before this daemon. */
export class BootPlanner {
  readonly #parts: PlannerParts;

  constructor(parts: PlannerParts) {
    this.#parts = parts;
  }

  /**
   * Writes the node's injected layer into `folder`, opens the tree, and serves it to the node's address. `deviceTree`: of
   * the node's machine, for an image that brings none; `ramBytes`: its memory, as far as the check of the image goes.
   */
  async plan(
    node: PlannedNode,
    folder: string,
    { deviceTree, ramBytes }: { deviceTree?: Buffer | undefined; ramBytes?: number } = {},
  ): Promise<BootPlan> {
    const image = this.#image(node.image, node.model);
    this.release(node);
    const base = await this.#parts.images.tree(image.id);
    const id = newId();
    mkdirSync(folder, { recursive: true });
    try {
      const described = { id: image.id, sizeKib: Math.ceil(image.sizeBytes / 1024) };
      const warnings = await this.#parts.linter.beforeBoot(image, node.model, ramBytes);
      const warn = (sentence: string): void => void warnings.push(sentence);
      const layer = injectedLayer(base, node, described, this.#parts.lab, warn);
      const dtb = `/boot/${node.model}/dtb`;
      if (deviceTree && base.lookupPath(dtb) === 0) {
        layer.push({ path: dtb, type: 'file', mode: 0o644, content: deviceTree });
      }
      writeTar(layerFile(folder, id), layer);
      const saved: SavedPlan = { id, imageId: image.id, node };
      writePlan(folder, saved);
      const plan = this.#serve(saved, base, folder, warnings);
      this.#readAhead(plan);
      return plan;
    } finally {
      base.close();
    }
  }

  /** The plan of a boot that goes on: same layer file, so the same tree identity and the same file handles. */
  async adopt(node: PlannedNode, folder: string): Promise<BootPlan | undefined> {
    const file = join(folder, 'plan.json');
    if (!existsSync(file)) return undefined;
    const saved = SavedPlan.safeParse(parseJson(readFileSync(file, 'utf8')));
    if (!saved.success || saved.data.node.mac !== node.mac || !existsSync(layerFile(folder, saved.data.id))) {
      this.#parts.log(`${file} does not describe a boot of ${node.name}; its root is not served any more`);
      return undefined;
    }
    const base = await this.#parts.images.tree(saved.data.imageId);
    try {
      return this.#serve(saved.data, base, folder);
    } finally {
      base.close();
    }
  }

  /** Copies what makes the plan of a boot that goes on from `folder` to `into`, for `restore`. */
  keep(folder: string, into: string): { image: string; imageId: string } {
    const { id, imageId, node } = readPlan(folder);
    copyFileSync(layerFile(folder, id), layerFile(into, id), constants.COPYFILE_FICLONE);
    copyFileSync(join(folder, 'plan.json'), join(into, 'plan.json'));
    return { image: node.image, imageId };
  }

  /** The plan that `keep` has put into `from`, as the node's own: the same tree and file handles under a new id. */
  async restore(node: PlannedNode, folder: string, from: string): Promise<BootPlan> {
    const { id: oldId, imageId } = readPlan(from);
    this.release(node);
    const base = await this.#parts.images.tree(imageId);
    try {
      const saved: SavedPlan = { id: newId(), imageId, node };
      copyFileSync(layerFile(from, oldId), layerFile(folder, saved.id), constants.COPYFILE_FICLONE);
      writePlan(folder, saved);
      return this.#serve(saved, base, folder);
    } finally {
      base.close();
    }
  }

  /** Images that only a plan or a snapshot needed may go. */
  collect(): Promise<void> {
    return this.#parts.images.collect();
  }

  /** What is wrong with the image of a boot, by its check; nothing when it is another one meanwhile. Never fails. */
  async findings(node: PlannedNode, ramBytes?: number): Promise<readonly Finding[]> {
    const image = this.#parts.images.get(node.image);
    const plan = this.#parts.served.byAddress(node.ip);
    if (!image || (plan && plan.imageId !== image.id)) return [];
    return this.#parts.linter.afterBoot(image, node.model, ramBytes);
  }

  /** The node is off: nothing is served to it any more. */
  release(node: PlannedNode): void {
    this.#parts.dropClient(node.ip);
    const plan = this.#parts.served.remove(node.ip);
    if (!plan) return;
    this.#parts.reads.save(plan);
    plan.tree.close();
  }

  firmware(kind: FirmwareKind, node: PlannedNode, folder: string): NodeFirmware {
    if (nodeModel(node.model).firmware === 'U-Boot') return ubootFirmware(folder, node.mac);
    return pcFirmware(kind, folder);
  }

  /** The model of a new node, from what its user asked for. Throws when this host cannot run such nodes. */
  chooseModel(model: string | undefined, image: string | undefined): string {
    const served = image === undefined ? undefined : this.image(image).models;
    const { name, firmware } = nodeModel(model ?? modelFor(served));
    if (firmware === 'U-Boot') armFirmware();
    return name;
  }

  /** Throws WalT's sentence when the image is unknown or not for this model. */
  checkImage(image: string, model: string): void {
    this.#image(image, model);
  }

  defaultImage(model: string): string {
    const names = [`${model}-default`, `${model}-tiny`];
    const found = names.find((name) => this.#parts.images.get(name) !== undefined);
    if (found) return found;
    throw new BootyardError(
      'image.noDefault',
      `There is no default image for ${model} nodes: build one with 'bootyard image build-default ${model}-tiny' or name one with --image.`,
    );
  }

  imageId(name: string): string | undefined {
    return this.#parts.images.get(name)?.id;
  }

  /** The image of a name; throws `image.unknown` when there is none. */
  image(name: string): ImageRecord {
    const image = this.#parts.images.get(name);
    if (image) return image;
    throw new BootyardError('image.unknown', `Error: No such image '${name}'. (tip: bootyard image show)`, {
      image: name,
    });
  }

  #image(name: string, model: string): ImageRecord {
    const image = this.image(name);
    if (!image.models.includes(nodeModel(model).name)) {
      throw new BootyardError('image.incompatible', `Sorry, this image is not compatible with ${model}.`, {
        image: name,
        model,
      });
    }
    return image;
  }

  #serve(saved: SavedPlan, base: ImageTree, folder: string, warnings: string[] = []): BootPlan {
    const file = layerFile(folder, saved.id);
    const tree = base.withLayer(file);
    const { id, node, imageId } = saved;
    const plan: BootPlan = { id, node, imageId, tree, injected: () => scanTarFile(file), warnings };
    this.#parts.reads.follow(plan);
    this.#parts.served.add(plan);
    return plan;
  }

  #readAhead(plan: BootPlan): void {
    const { reads, log } = this.#parts;
    void reads.readAhead(plan).catch((error: unknown) => log(`reading ahead: ${messageOf(error)}`));
  }
}

function layerFile(folder: string, id: string): string {
  return join(folder, `injected-${id}.tar`);
}

function newId(): string {
  return randomBytes(8).toString('hex');
}

/** Throws `boot.plan` when there is no plan in the folder. */
function readPlan(folder: string): SavedPlan {
  const file = join(folder, 'plan.json');
  const saved = SavedPlan.safeParse(existsSync(file) ? parseJson(readFileSync(file, 'utf8')) : undefined);
  if (saved.success && existsSync(layerFile(folder, saved.data.id))) return saved.data;
  throw new BootyardError('boot.plan', `${file} does not describe a boot.`);
}

function writePlan(folder: string, saved: SavedPlan): void {
  writeFileSync(join(folder, 'plan.json.new'), JSON.stringify(saved));
  renameSync(join(folder, 'plan.json.new'), join(folder, 'plan.json'));
  removeOldLayers(folder, saved.id);
}

function removeOldLayers(folder: string, current: string): void {
  for (const name of readdirSync(folder)) {
    if (name.startsWith('injected-') && !name.includes(current)) rmSync(join(folder, name));
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
