import { join } from 'node:path';
import { engineEvents } from '../build/engine-events.ts';
import type { ImportControl } from '../staging.ts';
import { callEngine, engineFailed, streamEngine } from './call.ts';
import type { Engine } from './connect.ts';
import type { InspectedImage } from './images.ts';
import type { PartialLayout } from './layout.ts';
import { openLoopback, removeName, repositoryOf, sweepTransfers } from './loopback.ts';
import { type KnownLayers, OneImage } from './one-image.ts';

export interface PushControl extends ImportControl {
  /** Docker sends nothing larger */
  maxBlobBytes?: number | undefined;
}

/**
 * Has an engine push an image to a registry of ours on this host's loopback: it asks for layers first, and sends only those
 * that the registry has not got. Podman asks for each by the digest of its tar (containers/image: docker_image_dest.go,
 * TryReusingBlob); Docker by the digest with which it pulled or pushed it before, and compresses and sends what it never
 * did (moby: distribution/push_v2.go). Answers false when the engine did not find the way here, as one in a virtual machine
 * does, or Docker was about to send too much.
 */
export async function readPushed(
  engine: Engine,
  image: InspectedImage,
  known: KnownLayers,
  layout: PartialLayout,
  { maxBlobBytes, progress, signal: cancel }: PushControl,
): Promise<boolean> {
  const isDocker = engine.kind === 'docker';
  if (isDocker) await sweepTransfers(engine, known.blobs);
  const content = new OneImage(layout, known, image, engine.kind);
  const refused = new AbortController();
  const server = await openLoopback({
    content,
    uploads: join(layout.folder, 'uploads'),
    mayPush: () => true,
    // Docker would send again what is refused, five times, later and later.
    log: () => isDocker && refused.abort(),
    ...(maxBlobBytes === undefined ? {} : { limits: { bytes: maxBlobBytes } }),
  });
  const signal = AbortSignal.any([refused.signal, ...(cancel ? [cancel] : [])]);
  const push = (): Promise<void> =>
    (isDocker ? pushFromDocker : pushFromPodman)(engine, image, repositoryOf(server), content.tag, signal);
  try {
    progress?.({ message: `Fetching layers of ${engine.name} that are not here yet` });
    await push().catch(async (error: unknown) => {
      if (!content.wasWrong) throw error;
      await push();
    });
  } catch (error) {
    cancel?.throwIfAborted();
    if (isDocker || !content.wasReached) return false;
    throw error;
  } finally {
    await server.close();
  }
  return content.isComplete;
}

type Push = (
  engine: Engine,
  image: InspectedImage,
  repository: string,
  tag: string,
  signal: AbortSignal,
) => Promise<void>;

const pushFromPodman: Push = async (engine, { id }, repository, tag, signal) => {
  const query = { destination: `${repository}:${tag}`, tlsVerify: 'false', quiet: 'true' };
  await callEngine(engine, { method: 'POST', path: `/v4.0.0/libpod/images/${id}/push`, query, signal });
};

/** Docker pushes what has a name, so the image has one more meanwhile. */
const pushFromDocker: Push = async (engine, { id }, repository, tag, signal) => {
  await callEngine(engine, { method: 'POST', path: `/images/${id}/tag`, query: { repo: repository, tag } });
  try {
    const path = `/images/${repository}/push`;
    const stream = await streamEngine(engine, {
      method: 'POST',
      path,
      query: { tag },
      withLogin: true,
      signal,
    });
    for await (const { error } of engineEvents(stream))
      if (error !== undefined) throw engineFailed(engine, error);
  } finally {
    await removeName(engine, `${repository}:${tag}`);
  }
};
