import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { rmSync } from 'node:fs';
import type { RegistryContent } from './content.ts';
import { RegistryError } from './errors.ts';
import type { Call } from './pulls.ts';
import { digestHex } from './route.ts';
import type { Upload, Uploads } from './uploads.ts';

const MAX_MANIFEST = 4 << 20;
const MANIFEST_MS = 60_000;

export interface PushParts {
  content: RegistryContent;
  uploads: Uploads;
}
type Where = { repository: string; query: URLSearchParams };

/** Begins an upload, takes a blob in one piece, or gives the repository one that another has (mount). */
export async function beginUpload(call: Call, parts: PushParts, where: Where, client: string): Promise<void> {
  const { content, uploads } = parts;
  const { repository, query } = where;
  const mount = query.get('mount');
  const digest = query.get('digest');
  // Blobs belong to all repositories here.
  if (mount !== null && content.blob(digestHex(mount))) return created(call, repository, mount);
  const upload = uploads.open(repository, client);
  if (digest === null || mount !== null) {
    // A body without a digest is none of the specification's; it is not read.
    return accepted(call, upload, 202);
  }
  try {
    digestHex(digest);
  } catch (error) {
    uploads.drop(upload);
    throw error;
  }
  await completeUpload(call, parts, upload, digest);
}

/** Adds a chunk. Its Content-Range, where there is one, must begin where the upload ends. */
export async function addChunk(call: Call, { uploads }: PushParts, upload: Upload): Promise<void> {
  await uploads.use(upload, async () => {
    checkStart(call.request, upload);
    await uploads.append(upload, call.request);
  });
  accepted(call, upload, 202);
}

/** The last request of an upload, with or without the last bytes. Nothing is left of one whose digest is wrong. */
export async function completeUpload(
  call: Call,
  { content, uploads }: PushParts,
  upload: Upload,
  digest: string | null,
): Promise<void> {
  const hex = digestHex(digest ?? '');
  await uploads.use(upload, async () => {
    checkStart(call.request, upload);
    await uploads.append(upload, call.request);
    const file = await uploads.finish(upload, hex);
    try {
      content.takeBlob(file, hex);
    } finally {
      rmSync(file, { force: true });
    }
  });
  created(call, upload.repository, `sha256:${hex}`);
}

export function tellUpload(call: Call, upload: Upload): void {
  accepted(call, upload, 204);
}

function checkStart({ headers }: IncomingMessage, upload: Upload): void {
  const range = headers['content-range'];
  if (range === undefined) return;
  const start = /^(?:bytes )?(\d{1,16})-\d{1,16}(?:\/.*)?$/.exec(range)?.[1];
  if (start !== undefined && Number(start) === upload.size) return;
  throw new RegistryError('BLOB_UPLOAD_INVALID', `The upload goes on at byte ${upload.size}.`, {
    status: 416,
    headers: uploadHeaders(upload),
  });
}

function uploadHeaders({ repository, id, size }: Upload): Record<string, string> {
  return {
    Location: `/v2/${repository}/blobs/uploads/${id}`,
    // Inclusive, so nothing and one byte look alike, in all registries.
    Range: `0-${Math.max(0, size - 1)}`,
    'Docker-Upload-UUID': id,
  };
}

function accepted({ response }: Call, upload: Upload, status: 202 | 204): void {
  response.writeHead(status, { ...uploadHeaders(upload), 'Content-Length': 0 });
  response.end();
}

function created({ response }: Call, repository: string, digest: string): void {
  response.writeHead(201, {
    Location: `/v2/${repository}/blobs/${digest}`,
    'Docker-Content-Digest': digest,
    'Content-Length': 0,
  });
  response.end();
}

/** Takes a manifest. The answer comes when the image can be booted, or is refused. */
export async function putManifest(
  { request, response }: Call,
  { content }: PushParts,
  { repository, reference }: { repository: string; reference: string },
): Promise<void> {
  const bytes = await wholeBody(request);
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  if (reference.startsWith('sha256:') && reference !== digest) {
    throw new RegistryError('DIGEST_INVALID', 'What was sent does not have this digest.');
  }
  const mediaType = (request.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '';
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  // Nothing moves on the connection while the image is read.
  request.socket.setTimeout(0);
  await content.push({ repository, reference, mediaType, digest, bytes, signal: gone.signal });
  response.writeHead(201, {
    Location: `/v2/${repository}/manifests/${digest}`,
    'Docker-Content-Digest': digest,
    'Content-Length': 0,
  });
  response.end();
}

async function wholeBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  const timer = setTimeout(() => request.destroy(), MANIFEST_MS);
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_MANIFEST) {
        throw new RegistryError('MANIFEST_INVALID', `A manifest has ${MAX_MANIFEST} bytes at most.`, {
          status: 413,
        });
      }
      chunks.push(chunk);
    }
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(chunks);
}
