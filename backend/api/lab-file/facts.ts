import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError } from '../../errors.ts';
import type { ApiClient } from '../client.ts';
import type { Progress } from '../contract.ts';
import type { NodeInfo } from '../node.ts';
import { type Path, placed } from '../yaml-file.ts';
import type { LabFacts } from './plan.ts';
import type { LoadedLab } from './read.ts';
import { type KnownRecipe, recipeOf } from './recipe.ts';
import type { Lab } from './schema.ts';

const LOOK_MS = 200;

export type Calls = Pick<ApiClient, 'call' | 'stream'>;
export interface Control {
  signal: AbortSignal;
  onProgress: (progress: Progress) => void;
}

/**
 * What there is of the lab that a file describes. Throws `lab.file` with the place in the file for an image, a node or a
 * snapshot that neither the file nor the lab has, and for sources of images that cannot be read.
 */
export async function gatherFacts(client: Calls, loaded: LoadedLab, control: Control): Promise<LabFacts> {
  const { lab } = loaded;
  const [images, nodes, settings] = [
    await client.call('image.list', {}),
    await settledNodes(client, lab, control),
    await client.call('node.settings', {}),
  ];
  const recipes = new Map<string, KnownRecipe | undefined>();
  for (const [name, source] of lab.images) {
    control.onProgress({ message: `Reading what image ${name} is made of` });
    const options = { names: [...lab.images.keys()], signal: control.signal };
    recipes.set(
      name,
      await recipeOf(source, images, options).catch((error: unknown) => {
        throw error instanceof BootyardError ? wrong(loaded, ['images', name], error.message) : error;
      }),
    );
  }
  const snapshots = new Map<string, string[]>();
  for (const name of snapshotOwners(lab)) {
    if (!nodes.some((node) => node.name === name)) continue;
    const list = await client.call('node.snapshotList', { node: name });
    snapshots.set(
      name,
      list.map((snapshot) => snapshot.name),
    );
  }
  const facts = { images, nodes, settings, recipes, snapshots, losses: new Map<string, string[]>() };
  checkReferences(loaded, facts);
  for (const { name } of nodes) facts.losses.set(name, await client.call('node.losses', { nodes: [name] }));
  return facts;
}

/** All nodes, once no copy is in the making: that of an `apply` which was killed a moment ago goes by itself. */
async function settledNodes(client: Calls, lab: Lab, { signal, onProgress }: Control): Promise<NodeInfo[]> {
  for (;;) {
    const nodes = await client.call('node.list', {}, { signal });
    const pending = nodes.find(({ name, copying }) => copying && lab.nodes.has(name));
    if (!pending) return nodes;
    onProgress({ message: `Waiting for node ${pending.name}, which another command copies` });
    await delay(LOOK_MS, undefined, { signal });
  }
}

/** Nodes whose snapshots count: the file wants some of them, or copies of them. */
function snapshotOwners(lab: Lab): Set<string> {
  const origins = [...lab.nodes.values()].flatMap(({ from }) => from?.split('@')[0] ?? []);
  const own = [...lab.nodes].filter(([, { snapshots }]) => snapshots.length > 0);
  return new Set([...own.map(([name]) => name), ...origins]);
}

function checkReferences(loaded: LoadedLab, { images, nodes, snapshots }: LabFacts): void {
  const { lab } = loaded;
  for (const [name, { image, from }] of lab.nodes) {
    if (image !== undefined && !lab.images.has(image) && !images.some((there) => there.name === image)) {
      const sentence = `Node ${name} boots image '${image}', which neither this file nor the lab has: add it below 'images', or see \`bootyard image show\`.`;
      throw wrong(loaded, ['nodes', name, 'image'], sentence);
    }
    if (from === undefined || nodes.some((node) => node.name.toLowerCase() === name.toLowerCase())) continue;
    const [origin = '', snapshot = ''] = from.split('@');
    const wanted = lab.nodes.get(origin)?.snapshots ?? [];
    if (wanted.includes(snapshot) || snapshots.get(origin)?.includes(snapshot)) continue;
    const sentence = `There is no snapshot '${from}': name it below 'snapshots' of node ${origin}, or save it with \`bootyard node snapshot save ${origin} ${snapshot}\`.`;
    throw wrong(loaded, ['nodes', name, 'from'], sentence);
  }
}

function wrong({ path, at }: LoadedLab, where: Path, sentence: string): BootyardError {
  const { from } = at(where);
  return new BootyardError('lab.file', `${placed(path, from)}: ${sentence}`, { path, ...from });
}
