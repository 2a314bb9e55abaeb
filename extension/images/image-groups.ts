import { DEFAULT_IMAGES } from '../../backend/api/default-images.ts';
import type { EngineInfo } from '../../backend/api/engine.ts';
import type { ImageInfo } from '../../backend/api/image.ts';

/** An image on show: of the store, or of a container engine, whose name is the link by which it is booted and cloned. */
export type ShownImage = ImageInfo & { readonly engine?: 'docker' | 'podman' };

/** Images of engines as the view shows them: they are in no node's use, and nothing has checked them. */
export function engineImages(engines: readonly EngineInfo[]): ShownImage[] {
  return engines.flatMap(({ name: engine, kind, images }) =>
    images.flatMap(({ names, id, labels, created, sizeBytes }) =>
      names.map((name) => ({
        ...{ name: `${engine}:${name}`, engine: kind ?? 'docker', id, labels, created, sizeBytes },
        ...{ ownBytes: sizeBytes, inUse: false, nodes: [], layers: 0 },
        models: (labels['walt.node.models'] ?? '').split(',').map((model) => model.trim()),
      })),
    ),
  );
}

/** All that nodes can be booted on. An image of the store hides one of an engine that has a link like its name. */
export function bootableImages(
  images: readonly ImageInfo[],
  engines: readonly EngineInfo[],
): readonly ShownImage[] {
  const names = new Set(images.map(({ name }) => name));
  return [...images, ...engineImages(engines).filter(({ name }) => !names.has(name))];
}

/** Where images come from. The first source that has an image shows it. */
export interface ImageSource {
  /** stable */
  readonly id: string;
  readonly label: string;
  readonly icon: string;
  readonly has: (image: ShownImage) => boolean;
}

export const SOURCES: readonly ImageSource[] = [
  {
    id: 'default',
    label: 'Default Images',
    icon: 'star-empty',
    has: ({ name }) => DEFAULT_IMAGES.includes(name),
  },
  {
    id: 'registry',
    label: 'From Registries',
    icon: 'cloud-download',
    has: ({ origin }) => origin !== undefined,
  },
  { id: 'own', label: 'Own Images', icon: 'archive', has: ({ engine }) => engine === undefined },
  { id: 'docker', label: 'Docker', icon: 'package', has: ({ engine }) => engine === 'docker' },
  { id: 'podman', label: 'Podman', icon: 'package', has: ({ engine }) => engine === 'podman' },
];

export const ORDERS = ['name', 'created', 'size'] as const;
export type ImageOrder = (typeof ORDERS)[number];

/** What the view shows, and how. */
export interface Arrangement {
  /** words that all have to be in an image's name, models, labels or origin; `@used`, `@unused`, `@problems` */
  readonly filter: string;
  readonly order: ImageOrder;
}

export interface ImageGroup {
  readonly source: ImageSource;
  /** names, in the order of their rows */
  readonly images: readonly string[];
}

/** The groups that have images on show. `images` come in the order of their names. */
export function arrange(images: readonly ShownImage[], { filter, order }: Arrangement): ImageGroup[] {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const shown = images.filter((image) => words.every((word) => matches(image, word)));
  if (order === 'created') shown.sort((a, b) => (a.created < b.created ? 1 : a.created > b.created ? -1 : 0));
  if (order === 'size') shown.sort((a, b) => b.sizeBytes - a.sizeBytes);
  const names = new Map<ImageSource, string[]>(SOURCES.map((source) => [source, []]));
  for (const image of shown) {
    const source = SOURCES.find(({ has }) => has(image));
    if (source) names.get(source)?.push(image.name);
  }
  return [...names]
    .map(([source, list]) => ({ source, images: list }))
    .filter((group) => group.images.length > 0);
}

function matches(image: ImageInfo, word: string): boolean {
  if (word === '@used') return image.inUse;
  if (word === '@unused') return !image.inUse;
  if (word === '@problems') return image.lint !== undefined && image.lint.errors + image.lint.warnings > 0;
  const labels = Object.entries(image.labels).map(([name, value]) => `${name}=${value}`);
  return [image.name, image.origin ?? '', ...image.models, ...labels].some((text) =>
    text.toLowerCase().includes(word),
  );
}
