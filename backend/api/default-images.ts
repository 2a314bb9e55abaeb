import { homedir } from 'node:os';
import { join } from 'node:path';
import { makeInitrd } from '../boot/initrd.ts';
import { BootyardError } from '../errors.ts';
import { buildDefault } from '../images/default/debian.ts';
import type { ImageVariant } from '../images/default/recipe.ts';
import { buildArmTiny, buildTiny } from '../images/default/tiny.ts';
import { imageName } from '../images/names.ts';
import type { Recipe } from '../images/oci.ts';
import type { ApiClient } from './client.ts';
import type { Progress } from './contract.ts';
import type { ImageInfo } from './image.ts';

const builders = {
  'pc-x86-64-tiny': buildTiny,
  'pc-x86-64-default': buildDefault,
  'qemu-arm-64-tiny': buildArmTiny,
};
type DefaultImage = keyof typeof builders;
/** Those that are built when none is named. */
const USUAL: DefaultImage[] = ['pc-x86-64-tiny', 'pc-x86-64-default'];

/** Every default image that can be built. */
export const DEFAULT_IMAGES = Object.keys(builders);

export interface BuildDefaultOptions {
  /** those of the usual model when absent */
  names?: string[];
  /** instead of them: the Debian image with more in it */
  variant?: ImageVariant;
  /** kept with the image */
  recipe?: Recipe | undefined;
  /** build again what is there already */
  force?: boolean;
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
  /** output of the programs that build */
  log?: (line: string) => void;
  env?: NodeJS.ProcessEnv;
}

/**
 * Builds default images from Debian packages and imports them. This happens in the client's process: the lab's own
 * network, where the daemon lives, reaches no package mirror. Answers the images asked for.
 */
export async function buildDefaultImages(
  client: Pick<ApiClient, 'call'>,
  options: BuildDefaultOptions,
): Promise<ImageInfo[]> {
  const { signal, onProgress } = options;
  const { variant } = options;
  const recipes = variant
    ? [{ name: imageName(variant.name), build: buildDefault }]
    : (options.names?.map(defaultImage) ?? USUAL).map((name) => ({ name, build: builders[name] }));
  const there = new Set((await client.call('image.list', {})).map((image) => image.name));
  for (const { name, build } of recipes.filter((recipe) => options.force || !there.has(recipe.name))) {
    const built = await build({
      workFolder: cacheFolder(options.env ?? process.env),
      signal: signal ?? new AbortController().signal,
      progress: (step) => onProgress?.({ message: `${name}: ${step}` }),
      log: options.log ?? (() => undefined),
      makeInitrd,
      ...(variant ? { variant } : {}),
    });
    const { force = false, recipe } = options;
    const request = { path: built.tar, name, labels: built.labels, force, recipe };
    await client.call('image.import', request, { signal, onProgress });
  }
  return client.call('image.list', { images: recipes.map((recipe) => recipe.name) });
}

function defaultImage(name: string): DefaultImage {
  if (Object.hasOwn(builders, name)) return name as DefaultImage;
  throw new BootyardError(
    'image.noRecipe',
    `There is no default image '${name}'; there are ${DEFAULT_IMAGES.join(', ')}.`,
    { name },
  );
}

/** Built tars stay here, so that another lab of the same user does not build them again. */
function cacheFolder(env: NodeJS.ProcessEnv): string {
  return join(env.XDG_CACHE_HOME || join(env.HOME ?? homedir(), '.cache'), 'bootyard');
}
