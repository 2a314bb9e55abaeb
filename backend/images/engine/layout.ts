import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Descriptor, MediaType } from '../oci.ts';

/** The layout of an image that the store has, for it under another name; layers lowest first. */
export async function useKnownLayout<T>(
  { config, layers }: { config: string; layers: readonly { digest: string; size: number }[] },
  downloads: string,
  use: (layout: string) => Promise<T>,
): Promise<T> {
  using layout = new PartialLayout(downloads);
  const manifest = {
    schemaVersion: 2,
    mediaType: MediaType.manifest,
    config: layout.put(Buffer.from(config), MediaType.config),
    layers: layers.map(({ digest, size }) => ({
      mediaType: MediaType.layer,
      digest: `sha256:${digest}`,
      size,
    })),
  };
  layout.finish(layout.put(Buffer.from(JSON.stringify(manifest)), MediaType.manifest));
  return await use(layout.folder);
}

/**
 * A folder that becomes an OCI image layout (image-spec 1.1, "image-layout.md") without the layers that the store has.
 * Removed with all that is in it when it is disposed.
 */
export class PartialLayout implements Disposable {
  readonly folder: string;

  constructor(downloads: string) {
    this.folder = join(downloads, `engine-${randomBytes(8).toString('hex')}`);
    mkdirSync(join(this.folder, 'blobs/sha256'), { recursive: true });
    writeFileSync(join(this.folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  }

  /** `hex`: 64 hex digits, checked by who calls */
  blob(hex: string): string {
    return join(this.folder, 'blobs/sha256', hex);
  }
  /** A new file for what is on its way. */
  part(): string {
    return join(this.folder, randomBytes(8).toString('hex'));
  }

  /** Writes a small blob; answers its descriptor. */
  put(content: Uint8Array, mediaType: string): Descriptor {
    const hex = createHash('sha256').update(content).digest('hex');
    writeFileSync(this.blob(hex), content);
    return { mediaType, digest: `sha256:${hex}`, size: content.length };
  }

  /** Makes the folder a layout of the image of this manifest. */
  finish(manifest: Descriptor): void {
    const index = { schemaVersion: 2, mediaType: MediaType.index, manifests: [manifest] };
    writeFileSync(join(this.folder, 'index.json'), JSON.stringify(index));
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
