import * as z from 'zod';
import { BootyardError } from '../../errors.ts';
import { RegistryServer, type RegistryServerParts } from '../../protocols/registry/server.ts';
import { callEngine } from './call.ts';
import type { Engine } from './connect.ts';
import { isLeftBehind, ownerMark } from './owner.ts';

/**
 * Docker notes for each layer in which registries it was seen, 50 at most (moby: distribution/metadata/v2_metadata_service.go).
 * With a port of its own each time, ours would push out those of the user, to which Docker would then send all anew.
 */
const PORT = 25_357;
const ADDRESS = '127.0.0.1';
export const REPOSITORY = 'bootyard/transfer';

/**
 * A registry on this host's loopback in which one image is on its way between the store and an engine: engines take such
 * ones without TLS and without a login. The caller closes it.
 */
export async function openLoopback(
  parts: Pick<RegistryServerParts, 'content' | 'uploads' | 'mayPush' | 'log' | 'limits'>,
): Promise<RegistryServer> {
  try {
    return await start(parts, PORT);
  } catch (error) {
    // Another transfer is under way, or another program has the port.
    if (error instanceof BootyardError) return await start(parts, 0);
    throw error;
  }
}

async function start(parts: Parameters<typeof openLoopback>[0], port: number): Promise<RegistryServer> {
  const server = new RegistryServer({ ...parts, address: ADDRESS, port });
  await server.start();
  return server;
}

/** What an engine calls the repository. */
export function repositoryOf({ port }: RegistryServer): string {
  return `${ADDRESS}:${port}/${REPOSITORY}`;
}

/** Which nobody else on this host can guess; `lab`: folder of the lab's images. */
export function transferTag(lab: string): string {
  return ownerMark(lab, 16);
}

const Images = z.array(z.looseObject({ RepoTags: z.array(z.string()).nullish() }));
const TRANSFER_NAME = new RegExp(String.raw`^127\.0\.0\.1:\d+/${REPOSITORY}:(.*)$`);

/** A name that an image has only while it is on its way. */
export function isTransferName(name: string): boolean {
  return TRANSFER_NAME.test(name);
}

/** Takes back the names that Docker's images have of transfers whose processes were killed: they would be kept by them. */
export async function sweepTransfers(engine: Engine, lab: string): Promise<void> {
  const images = Images.parse(await callEngine(engine, { path: '/images/json' }));
  for (const name of images.flatMap(({ RepoTags }) => RepoTags ?? [])) {
    const tag = TRANSFER_NAME.exec(name)?.[1];
    if (tag !== undefined && isLeftBehind(tag, lab)) await removeName(engine, name);
  }
}

/** An image that has no other name goes with it, but not what it was made from. */
export async function removeName(engine: Engine, name: string): Promise<void> {
  await callEngine(engine, { method: 'DELETE', path: `/images/${name}`, query: { noprune: '1' } });
}
