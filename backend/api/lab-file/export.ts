import { relative } from 'node:path';
import { stringify } from 'yaml';
import { DEFAULT_IMAGES } from '../default-images.ts';
import type { ImageInfo } from '../image.ts';
import type { NodeInfo, SettingInfo } from '../node.ts';
import { entryOf } from './recipe.ts';

export interface ExportedLab {
  text: string;
  /** images that the file can only name, because nothing here says how they were made */
  unknown: string[];
}

/** The lab as a file that lies in `folder`: applied to this lab, it changes nothing. The same lab gives the same text. */
export function exportLab(
  { images, nodes, settings }: { images: ImageInfo[]; nodes: NodeInfo[]; settings: SettingInfo[] },
  folder: string,
): ExportedLab {
  const entries = images.map((image) => [image.name, imageEntry(image)] as const);
  const known = entries.filter(([, entry]) => entry !== undefined).sort(([a], [b]) => (a < b ? -1 : 1));
  const used = new Set(nodes.map(({ image }) => image));
  const unknown = entries.flatMap(([name, entry]) => (entry === undefined && used.has(name) ? [name] : []));
  const lab = {
    ...(known.length > 0 ? { images: relativePaths(Object.fromEntries(known), folder) } : {}),
    ...(nodes.length > 0
      ? { nodes: Object.fromEntries(nodes.map((node) => [node.name, nodeEntry(node, settings)])) }
      : {}),
  };
  // A lab without anything is a file without anything.
  const text = Object.keys(lab).length === 0 ? '' : stringify(lab, { lineWidth: 0 });
  return { text, unknown };
}

function imageEntry({ name, recipe, origin, builtFrom }: ImageInfo): Record<string, unknown> | undefined {
  if (recipe) return recipe.entry;
  if (origin !== undefined) return { clone: origin };
  if (builtFrom) {
    const { folder, dockerfile } = builtFrom;
    const file = relative(folder, dockerfile);
    const options = file === 'Dockerfile' ? {} : { file };
    return entryOf({ kind: 'build', from: { folder }, args: {}, ...options });
  }
  return DEFAULT_IMAGES.includes(name) ? { default: true } : undefined;
}

function nodeEntry(
  { image, model, state, settings }: NodeInfo,
  infos: SettingInfo[],
): Record<string, unknown> {
  const own = infos.flatMap((info): [string, unknown][] => {
    const value = Reflect.get(settings, info.name) as string | number | undefined;
    return value === undefined || String(value) === info.default ? [] : [[info.name, plain(value)]];
  });
  return {
    image,
    model,
    ...(state === 'off' ? { power: 'off' } : {}),
    ...(own.length > 0 ? { settings: Object.fromEntries(own) } : {}),
  };
}

/** `true` needs no quotes: all scalars are read as their text. */
function plain(value: string | number): string | number | boolean {
  return value === 'true' || value === 'false' ? value === 'true' : value;
}

/** Paths below the folder of the file are relative to it, so that both can be moved together. */
function relativePaths(value: unknown, folder: string): unknown {
  if (typeof value === 'string' && value.startsWith('/')) {
    const path = relative(folder, value);
    return path.startsWith('..') ? value : `./${path}`;
  }
  if (Array.isArray(value) || typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, relativePaths(inner, folder)]));
}
