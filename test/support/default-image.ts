import { join } from 'node:path';
import { makeInitrd } from '../../backend/boot/initrd.ts';
import { buildDefault } from '../../backend/images/default/debian.ts';
import type { BuiltImage } from '../../backend/images/default/recipe.ts';
import { buildArmTiny, buildTiny } from '../../backend/images/default/tiny.ts';

const workFolder = join(import.meta.dirname, '../../.cache/bootyard');
const builders = {
  'pc-x86-64-tiny': buildTiny,
  'pc-x86-64-default': buildDefault,
  'qemu-arm-64-tiny': buildArmTiny,
};
export type DefaultImage = keyof typeof builders;

const built = new Map<string, Promise<BuiltImage>>();

/** The environment variable in which tests find what `build-images.ts` has built: `GivenImages` as JSON. */
export const IMAGES_GIVEN = 'BOOTYARD_TEST_IMAGES';
export type GivenImages = Partial<Record<DefaultImage, BuiltImage>>;

/** The root file system of a default image; built once for all tests of this checkout. */
export function defaultImageTar(name: DefaultImage): Promise<BuiltImage> {
  const given = (JSON.parse(process.env[IMAGES_GIVEN] ?? '{}') as GivenImages)[name];
  if (given) return Promise.resolve(given);
  const known = built.get(name);
  if (known) return known;
  const image = builders[name]({
    workFolder,
    signal: new AbortController().signal,
    progress: () => undefined,
    log: () => undefined,
    makeInitrd,
  });
  built.set(name, image);
  return image;
}
