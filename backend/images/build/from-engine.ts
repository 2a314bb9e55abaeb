import { createWriteStream } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type Dockerode from 'dockerode';
import { BootyardError, messageOf } from '../../errors.ts';
import { megabytes, pace } from '../pace.ts';
import { diskError, type ImportControl, noSpace, SPARE_BYTES } from '../staging.ts';

/** Writes an image of an engine into a file, as a Docker archive. What is there when it fails is the caller's to remove. */
export async function saveArchive(
  docker: Dockerode,
  id: string,
  file: string,
  { signal, progress }: Required<ImportControl>,
): Promise<void> {
  const isDue = pace();
  let size = 0;
  let checkedAt = 0;
  const counted = async function* (chunks: NodeJS.ReadableStream): AsyncGenerator<Buffer | string> {
    for await (const chunk of chunks) {
      size += chunk.length;
      if (isDue()) progress({ message: `Fetching the image from the engine: ${megabytes(size)}` });
      if (size - checkedAt > SPARE_BYTES / 2) {
        checkedAt = size;
        const { bavail, bsize } = await statfs(dirname(file));
        if (bavail * bsize < SPARE_BYTES) throw noSpace();
      }
      yield chunk;
    }
  };
  try {
    const archive = await opened(docker.getImage(id).get(), signal);
    await pipeline(archive, counted, createWriteStream(file, { flags: 'wx' }), { signal });
  } catch (error) {
    signal.throwIfAborted();
    const known = diskError(error);
    if (known instanceof BootyardError) throw known;
    throw new BootyardError('build.lost', `The engine stopped answering (${messageOf(error)}): build again.`);
  }
}

/** It may take long until the first byte comes: the engine makes the archive before. Who cancels does not wait for it. */
async function opened(
  getting: Promise<NodeJS.ReadableStream>,
  signal: AbortSignal,
): Promise<NodeJS.ReadableStream> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => {
    aborted.reject(signal.reason);
    getting.then((stream) => (stream as Readable).destroy()).catch(() => undefined);
  };
  signal.throwIfAborted();
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([getting, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
