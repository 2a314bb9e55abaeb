import * as z from 'zod';
import { BootyardError } from '../../errors.ts';
import { Digest } from '../oci.ts';
import { callEngine } from './call.ts';
import type { Engine } from './connect.ts';
import { isTransferName } from './loopback.ts';

/** An image as an engine lists it. */
export interface EngineImage {
  /** 64 hex digits, or fewer with engines that count ids in another way */
  id: string;
  /** as it is asked for here: `walt/box:1`, with `:latest`, `docker.io/library/` and `localhost/` left away */
  names: string[];
  labels: Record<string, string>;
  /** ISO time */
  created: string;
  sizeBytes: number;
}
/** What must be known to move one. */
export interface InspectedImage {
  id: string;
  labels: Record<string, string>;
  architecture: string;
  /** digests of the tars (64 hex digits), lowest first */
  layers: string[];
  sizeBytes: number;
  /** it has a name in the engine */
  isNamed: boolean;
}

const Labels = z.record(z.string(), z.string()).nullish();
/** `/images/json` and `/images/<name>/json` (Docker Engine API 1.41, ImageSummary and Image); Podman's ids may lack `sha256:`. */
const Listed = z.array(
  z.looseObject({
    Id: z.string(),
    RepoTags: z.array(z.string()).nullish(),
    Labels,
    Created: z.number(),
    Size: z.number(),
  }),
);
const Inspected = z.looseObject({
  Id: z.string(),
  RepoTags: z.array(z.string()).nullish(),
  Architecture: z.string().optional(),
  Size: z.number(),
  Config: z.looseObject({ Labels }).nullish(),
  RootFS: z.looseObject({ Layers: z.array(Digest).nullish() }),
});
export const MODELS_LABEL = 'walt.node.models';
const NONE = '<none>:<none>';
/** What builds have put there (`images/build`): the store has it under the user's name. */
const OF_BUILDS = /^localhost\/bootyard-(?:build|store)\//;

/** The images of an engine that have a name; by default those that are made for nodes. */
export async function listEngineImages(
  engine: Engine,
  { all = false, signal }: { all?: boolean; signal?: AbortSignal } = {},
): Promise<EngineImage[]> {
  const query: Record<string, string> = all ? {} : { filters: JSON.stringify({ label: [MODELS_LABEL] }) };
  const listed = await callEngine(engine, { path: '/images/json', query, ...(signal ? { signal } : {}) });
  return Listed.parse(listed)
    .map(({ Id, RepoTags, Labels: labels, Created, Size }) => ({
      id: bare(Id),
      names: (RepoTags ?? [])
        .filter((name) => name !== NONE && !OF_BUILDS.test(name) && !isTransferName(name))
        .map(shortName),
      labels: labels ?? {},
      created: new Date(Created * 1000).toISOString(),
      sizeBytes: Size,
    }))
    .filter(({ names }) => names.length > 0)
    .toSorted((a, b) => ((a.names[0] ?? '') < (b.names[0] ?? '') ? -1 : 1));
}

/**
 * An image by the name that a user gives: as it is listed, in full, or an id. Undefined when the engine has none such.
 * Throws `engine.ambiguous` when a short name is that of several.
 */
export async function engineImage(
  engine: Engine,
  reference: string,
  signal?: AbortSignal,
): Promise<InspectedImage | undefined> {
  const all = await listEngineImages(engine, { all: true, ...(signal ? { signal } : {}) });
  const ids = new Set(all.filter(({ names }) => names.includes(shortName(reference))).map(({ id }) => id));
  if (ids.size > 1) {
    throw new BootyardError(
      'engine.ambiguous',
      `${engine.name} has ${ids.size} images that are called '${reference}': give its id, as \`bootyard image show --all\` lists it.`,
    );
  }
  const [id = reference] = ids;
  const found = await callEngine(engine, {
    path: `/images/${encodeURIComponent(id)}/json`,
    ...(signal ? { signal } : {}),
  });
  if (found === undefined) return undefined;
  const { Id, RepoTags, Architecture = 'amd64', Size, Config, RootFS } = Inspected.parse(found);
  return {
    id: bare(Id),
    labels: Config?.Labels ?? {},
    architecture: Architecture,
    layers: (RootFS.Layers ?? []).map(bare),
    sizeBytes: Size,
    isNamed: (RepoTags ?? []).some((name) => !isTransferName(name)),
  };
}

/** What the engine's own programs let a user leave away. */
export function shortName(name: string): string {
  return name.replace(/^(?:docker\.io\/library\/|docker\.io\/|localhost\/)/, '').replace(/:latest$/, '');
}

function bare(id: string): string {
  return id.replace(/^sha256:/, '');
}
