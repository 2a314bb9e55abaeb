import type { Argument, Command, Option } from 'commander';
import type { ApiClient } from '../api/client.ts';
import { DEFAULT_IMAGES } from '../api/default-images.ts';
import { TRACES } from '../api/capture.ts';
import type { ImageFile } from '../api/image-files.ts';
import { DIFF_ORDERS, EXPORT_FORMATS } from '../api/image-operations.ts';
import { connectToLab } from '../api/lab-control.ts';
import { MODEL_NAMES, settingInfos } from '../api/node.ts';
import { registries } from '../api/registry-list.ts';
import { completionScripts } from './completion-scripts.ts';

const LIMIT_MS = 1500;

/** What the word that is typed may become, as far as it is known; `before`: the arguments that stand before it. */
type Source = (last: string, before: readonly string[]) => Promise<string[]> | string[];

const nodes: Source = () => askLab(nodeNames);
const images: Source = () => askLab(async (client) => (await client.call('image.list', {})).map(nameOf));
/** With those of engines, by the links that boot and clone them: as the daemon knows them, no engine is asked. */
const bootable: Source = async (last, before) => [...(await images(last, before)), ...(await engineLinks())];
const engineLinks = () =>
  askLab(async (client) =>
    (await client.call('engine.list', {})).flatMap(({ name: engine, images: all }) =>
      all.flatMap(({ names }) => names.filter((name) => PLAIN.test(name)).map((name) => `${engine}:${name}`)),
    ),
  );
/** A comma list: what stands before the last comma stays. */
const listOf =
  (names: Source): Source =>
  async (last, before) => {
    const stem = last.slice(0, last.lastIndexOf(',') + 1);
    return (await names(last, before)).map((name) => stem + name);
  };
const issuers = listOf(async (...words) => [...(await nodes(...words)), 'all-nodes', 'my-nodes', 'server']);
const checkpoints: Source = () =>
  askLab(async (client) => (await client.call('log.checkpoints', {})).map(nameOf));
/** What need not be quoted. */
const PLAIN = /^[\w.,@+:/~-]+$/;
const snapshots: Source = (_, [node = '']) => askLab((client) => snapshotNames(client, node));
const boots: Source = (_, [node = '']) =>
  askLab(async (client) => (await client.call('node.boots', { node })).map(({ number }) => String(number)));
const models = (): string[] => [...MODEL_NAMES];

/** Arguments by their names; where a name means something else for a verb, by that of the verb and its noun, too. */
const ARGUMENTS: Readonly<Record<string, Source>> = {
  node: nodes,
  set: listOf(async () => [...(await askLab(nodeNames)), 'all-nodes', 'my-nodes']),
  checkpoint: checkpoints,
  image: images,
  'other-image': images,
  settings,
  source: locations,
  destination: async () => [...(await locations()), 'booted-image'],
  disk: (_, [node = '']) => askLab((client) => diskNames(client, node)),
  shell: () => Object.keys(completionScripts),
  'node boot image': bootable,
  'node timeline boot': boots,
  'node reads boot': boots,
  'node explain boot': boots,
  'snapshot restore name': snapshots,
  'snapshot remove name': snapshots,
  'image cp source': imageLocations,
  'image cp destination': imageLocations,
  'image fix rule': (_, [image = '']) => askLab((client) => repairableRules(client, image)),
  'image label labels': async (_, [image = '']) => [
    ...(await askLab((client) => labelNames(client, image))).map((name) => `${name}=`),
    ...models().map((model) => `walt.node.models=${model}`),
  ],
  'image build-default name': () => [...DEFAULT_IMAGES],
  'image build name': images,
  // What stands behind the colon would have to be asked of the registry.
  link: async () => [...labels().map((label) => `${label}:`), ...(await engineLinks())],
  'registry remove label': labels,
  'registry expose port': () => ['none'],
};

const OPTIONS: Readonly<Record<string, Source>> = {
  '--image': bootable,
  '--model': models,
  '--set': settings,
  '--by': () => [...DIFF_ORDERS],
  '--format': () => [...EXPORT_FORMATS],
  '--remove': (_, [image = '']) => askLab((client) => labelNames(client, image)),
  '--issuers': issuers,
  '--emitters': issuers,
  '--nodes': issuers,
  '--streams': () => askLab((client) => client.call('log.streams', {})),
  '--history': async (...words) => [
    ...['full', 'none', '-5m:'],
    ...(await checkpoints(...words)).map((name) => `${name}:`),
  ],
  '--mode': () => ['ANY', 'ALL'],
  '--compare': boots,
  '--boot': boots,
  '--trace': () => [...TRACES],
  '--network <name>': (_, [node = '']) => askLab((client) => networkNames(client, node)),
  '--format <log-format>': () => [],
  // Where gdbserver, debugpy and Node.js wait if nothing else is said.
  '--port': () => ['2345', '5678', '9229'],
  '--registry': labels,
  '--with-node': nodes,
  '--engine': () => ['docker', 'podman'],
  '--network': () => ['host', 'none'],
  '--from': async (last) => {
    const [node = ''] = last.split('@');
    if (!last.includes('@')) return (await askLab(nodeNames)).map((name) => `${name}@`);
    return (await askLab((client) => snapshotNames(client, node))).map((name) => `${node}@${name}`);
  },
};

export function argumentSource(command: Command, argument: Argument): Source | undefined {
  const name = argument.name();
  return ARGUMENTS[`${command.parent?.name()} ${command.name()} ${name}`] ?? ARGUMENTS[name];
}

export function optionSource(option: Option): Source | undefined {
  return OPTIONS[option.flags] ?? OPTIONS[option.long ?? ''];
}

function labels(): string[] {
  try {
    return registries()
      .list()
      .map(({ label }) => label);
  } catch {
    return [];
  }
}

/** Names, and behind the equals sign the values that the schema knows. */
function settings(last: string): string[] {
  const [name = ''] = last.split('=');
  const setting = settingInfos().find((info) => info.name === name);
  if (!last.includes('=')) return settingInfos().map((info) => `${info.name}=`);
  if (!setting) return [];
  const values = new Set([...setting.values, ...setting.examples, setting.default]);
  return [...values].map((value) => `${name}=${value}`);
}

/** Before the colon; files complete where no node's name begins so. */
async function locations(): Promise<string[]> {
  return (await askLab(nodeNames)).map((name) => `${name}:`);
}

/** Names of images, and behind `:/` what is in a folder of one; without names that would have to be quoted. */
async function imageLocations(last: string): Promise<string[]> {
  const colon = last.indexOf(':/');
  if (colon > 0) {
    const stem = last.slice(0, last.lastIndexOf('/') + 1);
    const folder = { image: last.slice(0, colon), path: stem.slice(colon + 1).replace(/(.)\/$/, '$1') };
    return await askLab(async (client) => {
      const { files } = await client.call('image.files', folder);
      const plain = files.filter(({ name }) => PLAIN.test(name));
      return plain.map((file) => `${stem}${file.name}${isFolder(file) ? '/' : ''}`);
    });
  }
  return (await askLab(async (client) => (await client.call('image.list', {})).map(nameOf))).map(
    (name) => `${name}:`,
  );
}

function isFolder({ type, leadsTo }: ImageFile): boolean {
  return (leadsTo ?? type) === 'directory';
}

const nameOf = ({ name }: { name: string }) => name;
const nodeNames = async (client: ApiClient) => (await client.call('node.list', {})).map(nameOf);
const snapshotNames = async (client: ApiClient, node: string) =>
  (await client.call('node.snapshotList', { node })).map(nameOf);
async function networkNames(client: ApiClient, node: string): Promise<string[]> {
  const [found] = await client.call('node.list', { nodes: [node] });
  return (found?.settings.networks ?? 'walt-net').replace(/\[[^\]]*\]/g, '').split(',');
}
async function labelNames(client: ApiClient, image: string): Promise<string[]> {
  const [found] = await client.call('image.list', { images: [image] });
  return Object.keys(found?.labels ?? {});
}
async function repairableRules(client: ApiClient, image: string): Promise<string[]> {
  const findings = await client.call('image.lint', { image });
  return [...new Set(findings.filter(({ repair }) => repair).map(({ rule }) => rule))];
}
async function diskNames(client: ApiClient, node: string): Promise<string[]> {
  const disks = (await client.call('node.disks', { node })).map(nameOf);
  const copies = (await client.call('node.imageCopies', { node })).map(nameOf);
  return [...disks, ...copies];
}

/** Never starts a lab. */
async function askLab(ask: (client: ApiClient) => Promise<string[]>): Promise<string[]> {
  try {
    const client = await connectToLab({ start: false, signal: AbortSignal.timeout(LIMIT_MS) });
    try {
      return await ask(client);
    } finally {
      client.dispose();
    }
  } catch {
    // Somebody types: no lab means no names, and an error would land in their command line.
    return [];
  }
}
