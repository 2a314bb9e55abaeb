import { join } from 'node:path';
import { makeInitrd } from '../../backend/boot/initrd.ts';
import { buildDefault } from '../../backend/images/default/debian.ts';
import type { BuiltImage } from '../../backend/images/default/recipe.ts';
import { buildTiny } from '../../backend/images/default/tiny.ts';

const workFolder = join(import.meta.dirname, '../../.cache/bootyard');
const built = new Map<string, Promise<BuiltImage>>();

/** The root file system of a default image; built once for all tests of this checkout. */
export function defaultImageTar(name: 'pc-x86-64-tiny' | 'pc-x86-64-default'): Promise<BuiltImage> {
  const known = built.get(name);
  if (known) return known;
  const build = name === 'pc-x86-64-tiny' ? buildTiny : buildDefault;
  const image = build({
    workFolder,
    signal: new AbortController().signal,
    progress: () => undefined,
    log: () => undefined,
    makeInitrd,
  });
  built.set(name, image);
  return image;
}
