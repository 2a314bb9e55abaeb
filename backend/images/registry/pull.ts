import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { BootyardError } from '../../errors.ts';
import { hexOf, MediaType } from '../oci.ts';
import { type ImportControl, noSpace, SPARE_BYTES } from '../staging.ts';
import type { RegistryClient } from './client.ts';
import { downloadBlob } from './download.ts';
import { limited } from './limited.ts';
import { lockFolder } from './pull-lock.ts';
import type { RemoteImage } from './remote-image.ts';
import { TransferProgress } from './transfer-progress.ts';

const PARALLEL = 4;

/**
 * Fetches the layers of an image into a folder below `downloads`, which becomes an OCI image layout without the layers in
 * `known` (digests of tars, `sha256:…`), and gives it to `use`. It is removed when `use` is done, or the content is refused.
 * When the transfer breaks off or is cancelled, what was fetched stays, and the next pull of the same image goes on with it;
 * the store removes it after some days.
 */
export async function pullImage<T>(
  client: RegistryClient,
  image: RemoteImage,
  known: ReadonlySet<string>,
  downloads: string,
  control: ImportControl,
  use: (layout: string) => Promise<T>,
): Promise<T> {
  const folder = join(downloads, hexOf(image.manifest.digest));
  using _ = await lockFolder(folder);
  const blobs = join(folder, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const now = new Date();
  utimesSync(folder, now, now);
  let isResumable = false;
  try {
    await fetchLayers(client, image, known, blobs, control);
    writeLayout(folder, image);
    return await use(folder);
  } catch (error) {
    isResumable = !isRefusal(error) && (await readdir(blobs)).length > 0;
    throw error;
  } finally {
    if (!isResumable) rmSync(folder, { recursive: true, force: true });
  }
}

/** The content is at fault: another attempt fares no better. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof BootyardError) || !error.code.startsWith('image.')) return false;
  return !['image.noSpace', 'image.exists', 'image.layerGone'].includes(error.code);
}

async function fetchLayers(
  client: RegistryClient,
  image: RemoteImage,
  known: ReadonlySet<string>,
  blobs: string,
  control: ImportControl,
): Promise<void> {
  const missing = image.layers.filter(({ tar }) => !known.has(tar)).map(({ blob }) => blob);
  const wanted = [...new Map(missing.map((blob) => [blob.digest, blob])).values()];
  const total = wanted.reduce((sum, { size }) => sum + size, 0);
  await checkSpace(blobs, total);
  const progress = new TransferProgress('Fetching', total, control);
  await limited(PARALLEL, wanted, control.signal, (blob, signal) =>
    downloadBlob({
      client,
      repository: image.repository,
      blob,
      file: join(blobs, hexOf(blob.digest)),
      signal,
      onBytes: (count) => progress.set(blob.digest, count),
    }),
  );
}

/** Parts that are there already are taken for missing: their number is small beside what the image takes unpacked. */
async function checkSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const there = (await readdir(folder)).length;
  if (there === 0 && bavail * bsize < bytes + SPARE_BYTES) throw noSpace();
}

function writeLayout(folder: string, { manifest, configBytes, configDigest }: RemoteImage): void {
  const put = (digest: string, content: Uint8Array): void =>
    writeFileSync(join(folder, 'blobs/sha256', hexOf(digest)), content);
  put(configDigest, configBytes);
  put(manifest.digest, manifest.bytes);
  const entry = { mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.bytes.length };
  writeFileSync(
    join(folder, 'index.json'),
    JSON.stringify({ schemaVersion: 2, mediaType: MediaType.index, manifests: [entry] }),
  );
  writeFileSync(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
}
