import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { BootyardError, systemCode } from '../errors.ts';
import { chunksOf, fileSource } from './blob-source.ts';
import { type Descriptor, hexOf, MediaType, REF_NAME } from './oci.ts';
import { pace } from './pace.ts';
import type { ImageRecord } from './records.ts';
import type { ImportControl } from './staging.ts';
import { END_OF_TAR, entryHeader, padding } from './tar/tar-writer.ts';

export const EXPORT_FORMATS = ['oci-archive', 'docker-archive'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** What an export reads of an image. */
export interface ExportedImage {
  record: ImageRecord;
  manifest: Descriptor;
  /** the file of a blob (64 hex digits) */
  blob: (hex: string) => string;
}
/** A member of an archive: bytes, or a file that has them. */
type Member = { path: string } & ({ content: Buffer } | { file: string });

/**
 * Writes an image into `file` (absolute): `oci-archive`, with manifest and layers byte by byte as they are stored, or
 * `docker-archive`, as `docker save` makes it. The file appears when it is complete; when it fails or is cancelled there is
 * none. Throws `image.fileExists` without `force`, and sentences for what the disk refuses.
 */
export async function exportImage(
  image: ExportedImage,
  { file, format, force }: { file: string; format: ExportFormat; force: boolean },
  control: ImportControl,
): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (found && !found.isFile())
    throw refused(file, found.isDirectory() ? 'it is a folder' : 'it is no regular file');
  if (found && !force) throw exists(file);
  const members = format === 'oci-archive' ? ociMembers(image) : dockerMembers(image);
  const temporary = join(
    dirname(file),
    `.${basename(file).slice(0, 200)}.${randomBytes(6).toString('hex')}.tmp`,
  );
  const out = await open(temporary, 'wx', 0o666).catch((error: unknown) => {
    throw said(error, file);
  });
  try {
    await writeArchive(out, members, image.record, control);
    control.signal?.throwIfAborted();
    // Somebody else may have made one meanwhile.
    if (!force && (await stat(file).catch(() => undefined))) throw exists(file);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw said(error, file);
  }
}

function ociMembers({ record, manifest, blob }: ExportedImage): Member[] {
  const index = {
    schemaVersion: 2,
    mediaType: MediaType.index,
    manifests: [{ ...manifest, annotations: { ...manifest.annotations, [REF_NAME]: taggedName(record) } }],
  };
  const hexes = [hexOf(manifest.digest), record.id, ...record.layers.map(({ digest }) => digest)];
  return [
    { path: 'oci-layout', content: json({ imageLayoutVersion: '1.0.0' }) },
    { path: 'index.json', content: json(index) },
    ...[...new Set(hexes)].map((hex) => ({ path: `blobs/sha256/${hex}`, file: blob(hex) })),
  ];
}

function dockerMembers({ record, blob }: ExportedImage): Member[] {
  const digests = record.layers.map(({ digest }) => digest);
  const layers = digests.map((digest) => `${digest}.tar`);
  const list = [{ Config: `${record.id}.json`, RepoTags: [taggedName(record)], Layers: layers }];
  return [
    { path: 'manifest.json', content: json(list) },
    { path: `${record.id}.json`, file: blob(record.id) },
    ...[...new Set(digests)].map((digest) => ({ path: `${digest}.tar`, file: blob(digest) })),
  ];
}

function taggedName({ name }: ImageRecord): string {
  return name.includes(':') ? name : `${name}:latest`;
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

async function writeArchive(
  out: FileHandle,
  members: readonly Member[],
  { name, sizeBytes }: ImageRecord,
  { signal, progress }: ImportControl,
): Promise<void> {
  const isDue = pace();
  let written = 0;
  const write = async (bytes: Uint8Array): Promise<void> => {
    for (let at = 0; at < bytes.length;) at += (await out.write(bytes, at)).bytesWritten;
    written += bytes.length;
    const fraction = Math.min(1, written / Math.max(1, sizeBytes));
    if (isDue()) progress?.({ message: `Writing ${name}`, fraction });
  };
  try {
    for (const member of members) await writeMember(member, write, signal);
    await write(END_OF_TAR);
  } finally {
    await out.close();
  }
}

async function writeMember(
  member: Member,
  write: (bytes: Uint8Array) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const head = (size: number): Buffer => entryHeader({ path: member.path, type: 'file', mode: 0o644 }, size);
  if ('content' in member) {
    await write(Buffer.concat([head(member.content.length), member.content, padding(member.content.length)]));
    return;
  }
  const handle = await open(member.file, 'r');
  try {
    const source = await fileSource(handle);
    await write(head(source.size));
    for await (const chunk of chunksOf(source, signal)) await write(chunk);
    await write(padding(source.size));
  } finally {
    await handle.close();
  }
}

function said(error: unknown, file: string): unknown {
  const code = systemCode(error) ?? '';
  const reasons: Record<string, string> = {
    ENOENT: 'there is no such folder',
    ENOTDIR: 'there is no such folder',
    EACCES: 'you may not write there',
    EPERM: 'you may not write there',
    EROFS: 'that file system is read-only',
    ENOSPC: 'there is not enough disk space',
    EDQUOT: 'there is not enough disk space',
    ENAMETOOLONG: 'the name is too long',
  };
  const reason = reasons[code];
  return reason === undefined ? error : refused(file, reason);
}

function exists(file: string): BootyardError {
  return new BootyardError('image.fileExists', `'${file}' is there already: use --force to replace it.`, {
    file,
  });
}

function refused(file: string, why: string): BootyardError {
  return new BootyardError('image.badFile', `'${file}' cannot be written: ${why}.`, { file });
}
