import { statfs } from 'node:fs/promises';
import { type ImportControl, noSpace, SPARE_BYTES } from '../staging.ts';
import type { Engine } from './connect.ts';
import type { InspectedImage } from './images.ts';
import { PartialLayout } from './layout.ts';
import { readSaved } from './saved.ts';

/**
 * Fetches an image of an engine into a folder below `downloads`, an OCI image layout without the layers in `known` (digests
 * of tars, 64 hex digits), and gives it to `use`. Nothing of it is left afterwards, however it ends.
 */
export async function fetchFromEngine<T>(
  engine: Engine,
  image: InspectedImage,
  known: ReadonlySet<string>,
  downloads: string,
  control: ImportControl,
  use: (layout: string) => Promise<T>,
): Promise<T> {
  using layout = new PartialLayout(downloads);
  const { bavail, bsize } = await statfs(layout.folder);
  if (known.size === 0 && bavail * bsize < image.sizeBytes + SPARE_BYTES) throw noSpace();
  await readSaved(engine, image, known, layout, control);
  return await use(layout.folder);
}
