import { statfs } from 'node:fs/promises';
import { type ImportControl, noSpace, SPARE_BYTES } from '../staging.ts';
import type { Engine } from './connect.ts';
import type { InspectedImage } from './images.ts';
import { PartialLayout } from './layout.ts';
import { type KnownLayers, readPushed } from './pushed.ts';
import { readSaved } from './saved.ts';

/**
 * Fetches an image of an engine into a folder below `downloads`, an OCI image layout without the layers in `known`, and
 * gives it to `use`. Nothing of it is left afterwards, however it ends.
 */
export async function fetchFromEngine<T>(
  engine: Engine,
  image: InspectedImage,
  known: KnownLayers,
  downloads: string,
  control: ImportControl,
  use: (layout: string) => Promise<T>,
): Promise<T> {
  using layout = new PartialLayout(downloads);
  const { bavail, bsize } = await statfs(layout.folder);
  if (known.layers.size === 0 && bavail * bsize < image.sizeBytes + SPARE_BYTES) throw noSpace();
  // A save is one stream of all layers as they are: the fastest way for an image that is new here.
  const isPartial = engine.kind === 'podman' && known.layers.size > 0 && engine.address.startsWith('unix:');
  if (!isPartial || !(await readPushed(engine, image, known, layout, control))) {
    await readSaved(engine, image, known.layers, layout, control);
  }
  return await use(layout.folder);
}
