import { open, readFile, rename, stat, statfs } from 'node:fs/promises';
import { BootyardError, systemCode } from '../../errors.ts';
import { checkLayerCount } from '../import-layout.ts';
import { Config, type Descriptor, DockerArchive, hexOf, MediaType, parseDocument } from '../oci.ts';
import { TransferProgress } from '../registry/transfer-progress.ts';
import { diskError, type ImportControl, noSpace, SPARE_BYTES } from '../staging.ts';
import { cleanTarPath, shown } from '../tar/tar-path.ts';
import { engineFailed, streamEngine } from './call.ts';
import type { Engine } from './connect.ts';
import type { InspectedImage } from './images.ts';
import type { PartialLayout } from './layout.ts';
import { type TarMember, tarMembers } from './tar-stream.ts';

const MAX_DOCUMENT = 8 << 20;
const MAX_BYTES = 64 * 2 ** 30;
/** How often the free space is looked at, in bytes that were written. */
const CHECK_BYTES = 64 << 20;

/**
 * Reads what the engine's `save` sends (moby: image/tarexport; containers/image: docker/archive). It always sends the whole
 * image; layers whose name tells that the store has them (`known`: digests of tars, 64 hex digits) are not written to disk.
 * The content is checked by whoever imports the layout.
 */
export async function readSaved(
  engine: Engine,
  image: InspectedImage,
  known: ReadonlySet<string>,
  layout: PartialLayout,
  control: ImportControl,
): Promise<void> {
  const { signal } = control;
  const path = `/images/${encodeURIComponent(image.id)}/get`;
  const stream = await streamEngine(engine, { path, ...(signal ? { signal } : {}) });
  try {
    const parts = new SavedParts(layout, known, image.sizeBytes, control);
    await parts.read(stream);
    await parts.finish();
  } catch (error) {
    signal?.throwIfAborted();
    if (systemCode(error) === 'ECONNRESET')
      throw engineFailed(engine, 'it broke off in the middle of the image');
    throw diskError(error);
  } finally {
    stream.destroy();
  }
}

/** The members of an archive, in files of their own. */
class SavedParts {
  readonly #layout: PartialLayout;
  readonly #known: ReadonlySet<string>;
  readonly #progress: TransferProgress;
  readonly #control: ImportControl;
  readonly #files = new Map<string, string>();
  #bytes = 0;
  #checkedAt = 0;

  constructor(layout: PartialLayout, known: ReadonlySet<string>, size: number, control: ImportControl) {
    this.#layout = layout;
    this.#known = known;
    this.#control = control;
    this.#progress = new TransferProgress('Fetching', size, control);
  }

  async read(stream: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const member of tarMembers(stream)) {
      const path = cleanTarPath(member.name);
      if (member.type !== '0' || this.#known.has(digestIn(path))) continue;
      this.#files.set(path, await this.#write(member));
    }
  }

  async #write(member: TarMember): Promise<string> {
    const file = this.#layout.part();
    const handle = await open(file, 'wx');
    try {
      for await (const chunk of this.#counted(member)) await handle.writeFile(chunk);
    } finally {
      await handle.close();
    }
    return file;
  }

  async *#counted(member: TarMember): AsyncGenerator<Buffer> {
    for await (const chunk of member.data()) {
      this.#control.signal?.throwIfAborted();
      this.#bytes += chunk.length;
      if (this.#bytes > MAX_BYTES) throw tooLarge();
      this.#progress.set('save', this.#bytes);
      if (this.#bytes - this.#checkedAt >= CHECK_BYTES) await this.#checkSpace();
      yield chunk;
    }
  }
  async #checkSpace(): Promise<void> {
    this.#checkedAt = this.#bytes;
    const { bavail, bsize } = await statfs(this.#layout.folder);
    if (bavail * bsize < SPARE_BYTES) throw noSpace();
  }

  /** Makes a layout of what has come: a layer is called by the digest that its name or the configuration gives. */
  async finish(): Promise<void> {
    const [image] = parseDocument(
      DockerArchive,
      await this.#document('manifest.json'),
      "file 'manifest.json'",
    );
    if (!image) throw incomplete('manifest.json');
    const configBytes = await this.#document(cleanTarPath(image.Config));
    const config = parseDocument(Config, configBytes, 'configuration');
    checkLayerCount(image.Layers.length, config);
    const layers: Descriptor[] = [];
    for (const [at, name] of image.Layers.entries()) {
      layers.push(await this.#layer(cleanTarPath(name), hexOf(config.rootfs.diff_ids[at] ?? '')));
    }
    const manifest = {
      schemaVersion: 2,
      mediaType: MediaType.manifest,
      config: this.#layout.put(configBytes, MediaType.config),
      layers,
    };
    this.#layout.finish(this.#layout.put(Buffer.from(JSON.stringify(manifest)), MediaType.manifest));
  }

  /** `tar`: 64 hex digits, of the layer's tar. A layer that is there twice is sent once. */
  async #layer(path: string, tar: string): Promise<Descriptor> {
    // Where blobs are called by their content, that may be a compressed layer; old archives call layers by other numbers.
    const hex = path.startsWith('blobs/') ? digestIn(path) : tar;
    const blob = this.#layout.blob(hex);
    const file = this.#files.get(path);
    if (file !== undefined && !this.#known.has(tar)) await rename(file, blob);
    this.#files.delete(path);
    const size = (await stat(blob).catch(() => undefined))?.size ?? 0;
    return { mediaType: MediaType.layer, digest: `sha256:${hex}`, size };
  }

  async #document(path: string): Promise<Buffer> {
    const file = this.#files.get(path);
    if (file === undefined || (await stat(file)).size > MAX_DOCUMENT) throw incomplete(path);
    return readFile(file);
  }
}

/** The digest that the name of a member ends in, as newer Docker (`blobs/sha256/<digest>`) and Podman (`<digest>.tar`) have it. */
function digestIn(path: string): string {
  return /(?:^|\/)([0-9a-f]{64})(?:\.tar)?$/.exec(path)?.[1] ?? '';
}

function incomplete(path: string): BootyardError {
  return new BootyardError(
    'image.incomplete',
    `The image is refused: its file ${shown(path)} is missing or too large.`,
  );
}
function tooLarge(): BootyardError {
  return new BootyardError('image.tooLarge', `The image is refused: it has more than ${MAX_BYTES} bytes.`);
}
