import { resolve } from 'node:path';
import { nodeModel } from '../../boot/models.ts';
import { messageOf } from '../../errors.ts';
import { parseGitUrl } from '../../images/build/git.ts';
import { imageName } from '../../images/names.ts';
import { parseExpose } from '../../nodes/expose.ts';
import { checkModelSettings } from '../../nodes/machines/model-settings.ts';
import { checkName } from '../../nodes/names.ts';
import { MAIN_NETWORK, parseNetworks } from '../../nodes/networks/setting.ts';
import type { NodeSettings } from '../../nodes/settings.ts';
import { DEFAULT_IMAGES } from '../default-images.ts';
import type { Path } from '../yaml-file.ts';
import type {
  BuildSource,
  ImageEntry,
  ImageSource,
  Lab,
  LabFile,
  LabNode,
  NetworkEntry,
  NodeEntry,
} from './schema.ts';

/** Tells what is wrong at a place of the file; `key`: with the name there. */
export type Report = (path: Path, message: string, key?: boolean) => void;

/**
 * What a file of the right form means: paths absolute (relative ones are below `folder`), defaults filled in. What does not
 * go together is reported; then the result is of no use.
 */
export function compileLab(file: LabFile, folder: string, report: Report): Lab {
  const networks = new Map(Object.entries(file.networks ?? {}));
  for (const [name, entry] of networks) checkNetwork(name, entry, report);
  const images = new Map(
    Object.entries(file.images ?? {}).flatMap(([name, entry]) => {
      const own = tried(
        () => imageName(name),
        (why) => report(['images', name], why, true),
      );
      const source = imageSource(name, entry, folder, report);
      return own === undefined || source === undefined ? [] : [[own, source] as const];
    }),
  );
  const nodes = new Map(
    Object.entries(file.nodes ?? {}).map(([name, entry]) => [
      name,
      labNode(name, entry ?? {}, file.networks ? networks : undefined, report),
    ]),
  );
  checkNodeNames([...nodes.keys()], report);
  checkHostPorts(nodes, report);
  return { images, nodes };
}

function tried<T>(make: () => T, report: (why: string) => void): T | undefined {
  try {
    return make();
  } catch (error) {
    report(messageOf(error));
    return undefined;
  }
}

function checkNetwork(name: string, entry: NetworkEntry | null, report: Report): void {
  const path = ['networks', name];
  if (name === MAIN_NETWORK)
    report(path, `${MAIN_NETWORK} is there by itself: restrict it in the setting networks of a node.`, true);
  else
    tried(
      () => parseNetworks(`${MAIN_NETWORK},${networkText(name, entry)}`),
      (why) => report(path, why, true),
    );
}

function networkText(name: string, entry: NetworkEntry | null | undefined): string {
  const words = Object.entries(entry ?? {}).map(([key, value]) => `${key}=${value}`);
  return words.length === 0 ? name : `${name}[${words.join(',')}]`;
}

const KINDS = ['build', 'clone', 'import', 'default'] as const;

function imageSource(
  name: string,
  entry: ImageEntry,
  folder: string,
  report: Report,
): ImageSource | undefined {
  const path = ['images', name];
  const kinds = KINDS.filter((kind) => entry[kind] !== undefined);
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) {
    const what = kinds.length === 0 ? 'how it is made' : `one way, not ${kinds.join(' and ')}`;
    report(path, `Image ${name} needs to say ${what}: take one of ${KINDS.join(', ')}.`, true);
    return undefined;
  }
  if (entry.labels && kind !== 'import')
    report([...path, 'labels'], `'labels' goes with import, not with ${kind}.`, true);
  if (entry.model && kind !== 'clone')
    report([...path, 'model'], `'model' goes with clone, not with ${kind}.`, true);
  const { build = '', clone = '', import: from = '', default: variant = 'true' } = entry;
  if (kind === 'build')
    return buildSource(path, typeof build === 'string' ? { folder: build } : build, folder, report);
  if (kind === 'import') return { kind, path: resolve(folder, from), labels: entry.labels ?? {} };
  if (kind === 'clone') return cloneSource(path, clone, entry.model, report);
  return defaultSource(path, variant, folder, report);
}

function buildSource(
  path: Path,
  source: BuildSource,
  folder: string,
  report: Report,
): ImageSource | undefined {
  const { folder: from, url, args = {}, dir, file, network, node } = source;
  const options = { dir, file, network, node };
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  if ((from === undefined) === (url === undefined)) {
    report([...path, 'build'], "'build' needs one thing to build from: folder or url.", true);
    return undefined;
  }
  if (url !== undefined)
    tried(
      () => parseGitUrl(url),
      (why) => report([...path, 'build', 'url'], why),
    );
  const place = url === undefined ? { folder: resolve(folder, from ?? '') } : { url };
  return { kind: 'build', from: place, args, ...given };
}

function cloneSource(path: Path, link: string, model: string | undefined, report: Report): ImageSource {
  if (!/^[^:\s]+:[^\s]+$/.test(link))
    report(
      [...path, 'clone'],
      `'${link}' is no link: write [hub|<label>]:<user>/<name>[:<tag>], or docker:<name>[:<tag>].`,
    );
  return { kind: 'clone', link, ...(model === undefined ? {} : { model }) };
}

function defaultSource(
  path: Path,
  variant: NonNullable<ImageEntry['default']>,
  folder: string,
  report: Report,
): ImageSource {
  const name = String(path.at(-1));
  if (variant === 'true') {
    if (!DEFAULT_IMAGES.includes(name))
      report(path, `There is no default image '${name}'; there are ${DEFAULT_IMAGES.join(', ')}.`, true);
    return { kind: 'default' };
  }
  const { packages = [], files } = variant;
  for (const [at, word] of packages.entries()) {
    if (!/^[a-z0-9][a-z0-9+.-]*$/.test(word))
      report([...path, 'default', 'packages', at], `'${word}' is no name of a Debian package.`);
  }
  const below = files === undefined ? {} : { files: resolve(folder, files) };
  return { kind: 'default', variant: { packages, ...below } };
}

function labNode(
  name: string,
  entry: NodeEntry,
  networks: ReadonlyMap<string, NetworkEntry | null> | undefined,
  report: Report,
): LabNode {
  const path = ['nodes', name];
  const { image, model, power = 'on', settings: given = {}, from, snapshots = [] } = entry;
  tried(
    () => checkName(name),
    (why) => report(path, why, true),
  );
  if (image !== undefined)
    tried(
      () => imageName(image),
      (why) => report([...path, 'image'], why),
    );
  const settings = withNetworks(path, given, networks, report);
  if (model !== undefined)
    tried(
      () => checkModelSettings(name, nodeModel(model).name, settings),
      (why) => report([...path, 'settings'], why, true),
    );
  if (from !== undefined) checkFrom(path, entry, report);
  const twice = snapshots.find((snapshot, at) => snapshots.indexOf(snapshot) !== at);
  if (twice !== undefined) report([...path, 'snapshots'], `Snapshot ${twice} is there twice.`, true);
  if (snapshots.length > 0 && power === 'off')
    report([...path, 'snapshots'], 'A snapshot is saved of a node that runs: this one has power off.', true);
  return {
    power,
    settings,
    snapshots,
    ...(image === undefined
      ? {}
      : {
          image:
            tried(
              () => imageName(image),
              () => {},
            ) ?? image,
        }),
    ...(model === undefined ? {} : { model }),
    ...(from === undefined ? {} : { from }),
  };
}

function checkFrom(path: Path, entry: NodeEntry, report: Report): void {
  for (const key of ['image', 'model', 'settings'] as const) {
    if (entry[key] === undefined) continue;
    report(
      [...path, key],
      `A node made from a snapshot takes its ${key} from there: leave '${key}' out.`,
      true,
    );
  }
  if (entry.from?.startsWith(`${String(path.at(-1))}@`))
    report([...path, 'from'], 'A node cannot be made from a snapshot of its own.');
}

/** The setting `networks` with what the file says of the networks that it names without restrictions. */
function withNetworks(
  path: Path,
  settings: NodeSettings,
  networks: ReadonlyMap<string, NetworkEntry | null> | undefined,
  report: Report,
): NodeSettings {
  if (networks === undefined || settings.networks === undefined) return settings;
  const words = settings.networks.match(/[a-z][a-z-]*(?:\[[^\]]*\])?/g) ?? [];
  const joined = words.map((word) => {
    const name = word.replace(/\[.*/, '');
    if (name !== MAIN_NETWORK && !networks.has(name)) {
      const there = [...networks.keys()].join(', ') || 'none';
      report(
        [...path, 'settings', 'networks'],
        `There is no network '${name}' in this file: add it below 'networks', where there is ${there}.`,
      );
    }
    return name === word ? networkText(name, networks.get(name)) : word;
  });
  return { ...settings, networks: joined.join(',') };
}

/** Names of nodes are the same whatever the case of their letters. */
function checkNodeNames(names: readonly string[], report: Report): void {
  const seen = new Map<string, string>();
  for (const name of names) {
    const same = seen.get(name.toLowerCase());
    if (same !== undefined)
      report(['nodes', name], `There is a node '${same}' already, and case does not count.`, true);
    seen.set(name.toLowerCase(), name);
  }
}

function checkHostPorts(nodes: ReadonlyMap<string, LabNode>, report: Report): void {
  const owners = new Map<number, string>();
  for (const [name, { settings }] of nodes) {
    for (const { hostPort } of parseExpose(settings.expose ?? 'none')) {
      if (hostPort === undefined) continue;
      const owner = owners.get(hostPort);
      if (owner !== undefined)
        report(
          ['nodes', name, 'settings', 'expose'],
          `Port ${hostPort} of the host leads to node ${owner} already: take another one.`,
        );
      owners.set(hostPort, name);
    }
  }
}
