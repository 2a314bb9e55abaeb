import { statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { type ImportControl, noSpace, SPARE_BYTES } from '../staging.ts';
import type { Engine } from './connect.ts';
import type { InspectedImage } from './images.ts';
import { PartialLayout } from './layout.ts';
import { type KnownLayers, toldDigests } from './one-image.ts';
import { readPushed } from './pushed.ts';
import { readSaved } from './saved.ts';

/**
 * Fetches an image of an engine into a folder below `downloads`, an OCI image layout without the layers in `known`, and
 * gives it to `use`. Nothing of it is left afterwards, however it ends.
 */
export async function fetchFromEngine<T>(
  engine: Engine,
  image: InspectedImage,
  known: KnownLayers,
  control: ImportControl,
  use: (layout: string) => Promise<T>,
): Promise<T> {
  using layout = new PartialLayout(known.downloads);
  const { bavail, bsize } = await statfs(layout.folder);
  if (known.layers.size === 0 && bavail * bsize < image.sizeBytes + SPARE_BYTES) throw noSpace();
  const mayPush = known.layers.size > 0 && engine.address.startsWith('unix:');
  const push = engine.kind === 'docker' ? dockerPush(image, known) : {};
  if (!mayPush || !push || !(await readPushed(engine, image, known, layout, { ...control, ...push }))) {
    await readSaved(engine, image, known.layers, layout, control);
  }
  return await use(layout.folder);
}

/** What one blob may have, beside what is new in the image. */
const SLACK_BYTES = 1 << 20;

/**
 * Whether a push by Docker is worth it, and what it may send. A save is one stream of all layers as they are; a push is next
 * to nothing where Docker can ask for a layer, and compresses it five times slower where it cannot (20.10, 60 MB: 0.4 s
 * saved, 0.02 s asked for, 2.0 s compressed). So a push may compress what is new, up to a fifth of the image; and what is
 * here but was never asked for, up to half of the image, as that is done once. Of more than that it may turn out that Docker
 * can ask for it: if not, its first large blob ends the push, and the image is saved.
 */
function dockerPush(image: InspectedImage, known: KnownLayers): { maxBlobBytes?: number } | undefined {
  // Without another name, the image would go with the one that a push gives it.
  if (!image.isNamed) return undefined;
  const sizes = [...known.layers].map((tar) => ({
    size: statSync(join(known.blobs, tar), { throwIfNoEntry: false })?.size ?? 0,
    isTold: toldDigests(known, tar).length > 0,
  }));
  const sum = (all: typeof sizes): number => all.reduce((total, { size }) => total + size, 0);
  const fresh = Math.max(0, image.sizeBytes - sum(sizes));
  const untold = sum(sizes.filter(({ isTold }) => !isTold));
  if (5 * fresh > image.sizeBytes) return undefined;
  return 5 * fresh + 2 * untold <= image.sizeBytes ? {} : { maxBlobBytes: fresh + SLACK_BYTES };
}
