import { defaultImageTar, type GivenImages, IMAGES_GIVEN } from './default-image.ts';

/** Builds, before the first boot test, the images that most of them use: no two tests build them at once. */
export async function setup(): Promise<void> {
  const images: GivenImages = {};
  for (const name of ['pc-x86-64-tiny', 'pc-x86-64-default'] as const)
    images[name] = await defaultImageTar(name);
  process.env[IMAGES_GIVEN] = JSON.stringify(images);
}
