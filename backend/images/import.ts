import { type FileHandle, open, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { BootyardError, systemCode } from '../errors.ts';
import { ArchiveFiles, type ByteSource, fileSource, firstBytes, FolderFiles } from './blob-source.ts';
import { type Compression, compressionOf } from './tar/decompress.ts';
import {
  type HeldLayers,
  type ImportedImage,
  importDockerArchive,
  importOciLayout,
} from './import-layout.ts';
import { packFolder, rootImage } from './import-root.ts';
import { LayerFile } from './tree/layer-file.ts';
import type { LayerIndex } from './tree/layer-index.ts';
import { mergeInSlices } from './tree/merge-layers.ts';
import { changedImage, type Staging } from './staging.ts';
import { hasChecksum, isZeroRecord, parseHeader, RECORD } from './tar/tar-header.ts';
import { scanTar, TarScanner } from './tar/tar-scan.ts';
import { ImageTree } from './tree/tree.ts';

/**
 * Reads an image of any kind into the staging folder: a root file system tar (also gzip, zstd, xz, bzip2), a Docker or
 * OCI archive, an OCI layout (without layers that `held` finds), or a root folder. The kind is told by content, never by a name.
 */
export async function readImage(path: string, staging: Staging, held: HeldLayers): Promise<ImportedImage> {
  const file = resolve(path);
  const found = await stat(file).catch((error: unknown) => {
    throw openError(file, error);
  });
  if (found.isDirectory()) return readFolder(file, staging, held);
  if (!found.isFile()) throw notAnImage(file);
  const handle = await open(file, 'r').catch((error: unknown) => {
    throw openError(file, error);
  });
  try {
    const source = await fileSource(handle);
    const kind = compressionOf(await firstBytes(source, 8));
    if (kind) return await readCompressed(source, kind, found.mtime, file, staging);
    await checkTar(source, file);
    return await readTar(source, handle, file, staging);
  } finally {
    await handle.close();
  }
}

async function readFolder(folder: string, staging: Staging, held: HeldLayers): Promise<ImportedImage> {
  const files = new FolderFiles(folder);
  try {
    if ((await files.open('oci-layout')) && (await files.open('index.json'))) {
      return await importOciLayout(files, staging, held);
    }
    if (!(await stat(join(folder, 'etc')).catch(() => undefined))) {
      throw new BootyardError(
        'image.notImage',
        `The folder '${folder}' is neither an OCI image layout nor a root file system (it has no 'etc').`,
      );
    }
    return await rootImage(await packFolder(folder, staging), new Date());
  } finally {
    await files.close();
  }
}

async function readCompressed(
  source: ByteSource,
  kind: Compression,
  created: Date,
  file: string,
  staging: Staging,
): Promise<ImportedImage> {
  const layer = await staging.layer(source, `Decompressing ${kind} data`).catch((error: unknown) => {
    throw error instanceof BootyardError && error.code === 'image.badTar' && error.data['position'] === 0
      ? notAnImage(file)
      : error;
  });
  const archive = archiveKind(layer.index);
  return archive ? readArchive(archive, layer.file, layer.index, staging) : rootImage(layer, created);
}

/** A tar that is not compressed. A root file system's headers are read out of the bytes that are copied anyway. */
async function readTar(
  source: ByteSource,
  handle: FileHandle,
  file: string,
  staging: Staging,
): Promise<ImportedImage> {
  const { signal } = staging.control;
  if (await beginsLikeArchive(source)) {
    const index = await scanTar(handle.fd, source.size, { signal });
    const archive = archiveKind(index);
    if (archive) return readArchive(archive, file, index, staging);
  }
  const before = await handle.stat({ bigint: true });
  const scanner = new TarScanner(handle.fd, source.size);
  const reported = staging.reported(source, 'Copying the root file system');
  const blob = await staging.copy(reported, (chunk, position) => scanner.feed(chunk, position));
  const index = scanner.finish();
  const archive = archiveKind(index);
  if (archive) return readArchive(archive, file, index, staging);
  const after = await handle.stat({ bigint: true });
  if (after.size !== before.size || after.mtimeNs !== before.mtimeNs) throw changedImage();
  return rootImage({ ...blob, index }, new Date(Number(before.mtimeMs)));
}

/** True when the first entry is one of an archive of images, which is not to be copied whole. */
async function beginsLikeArchive(source: ByteSource): Promise<boolean> {
  const first = await firstBytes(source, 2 * RECORD);
  const names = [first.subarray(0, RECORD), first.subarray(RECORD)]
    .filter((record) => record.length === RECORD && !isZeroRecord(record) && hasChecksum(record))
    .map((record, at) => parseHeader(record, at * RECORD).name.replace(/^\.\/+/, ''));
  const name = names.find((candidate) => candidate !== '') ?? '';
  return /^(?:blobs\/|oci-layout$|index\.json$|manifest\.json$|repositories$|[0-9a-f]{64})/.test(name);
}

type ArchiveKind = 'oci' | 'docker';

/** Archives have their description at the top and no root file system beside it. */
function archiveKind(index: LayerIndex): ArchiveKind | undefined {
  const top = new Set<string>();
  for (let entry = 0; entry < index.count; entry++) top.add(index.path(entry).split('/', 1)[0] ?? '');
  if (top.has('etc') || top.has('bin') || top.has('usr')) return undefined;
  if (top.has('oci-layout') && top.has('index.json')) return 'oci';
  return top.has('manifest.json') ? 'docker' : undefined;
}

async function readArchive(
  kind: ArchiveKind,
  file: string,
  index: LayerIndex,
  staging: Staging,
): Promise<ImportedImage> {
  const tree = await mergeInSlices([index], 0n);
  const files = new ArchiveFiles(new ImageTree(0n, tree, [new LayerFile(file)]));
  try {
    if (kind === 'docker') return await importDockerArchive(files, staging);
    return await importOciLayout(files, staging, () => Promise.resolve(undefined));
  } finally {
    await files.close();
  }
}

/** A tar begins with a header: its checksum tells it from anything else. */
async function checkTar(source: ByteSource, file: string): Promise<void> {
  const first = await firstBytes(source, RECORD);
  const magic = first.toString('latin1', 257, 262);
  const octalSum = /^[ 0]*[0-7]+[ \0]/.test(first.toString('latin1', 148, 156));
  if (first.length < RECORD || (magic !== 'ustar' && !octalSum)) throw notAnImage(file);
}

function notAnImage(file: string): BootyardError {
  return new BootyardError(
    'image.notImage',
    `'${file}' is not an image: expected is a root file system tar (also gzip, zstd, xz), an OCI or Docker archive, an OCI layout or a root folder.`,
    { path: file },
  );
}

function openError(file: string, error: unknown): unknown {
  const code = systemCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new BootyardError('image.noFile', `There is no file or folder '${file}' to import.`, {
      path: file,
    });
  }
  return code === 'EACCES'
    ? new BootyardError('image.noAccess', `You may not read '${file}'.`, { path: file })
    : error;
}
