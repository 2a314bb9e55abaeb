import { BootyardError } from '../errors.ts';
import { chooseEngine } from '../images/engine/connect.ts';
import { fetchFromEngine } from '../images/engine/fetch.ts';
import { engineImage, type InspectedImage } from '../images/engine/images.ts';
import { useKnownLayout } from '../images/engine/layout.ts';
import { bootName, cloneName, type EngineLink, parseEngineLink } from '../images/engine/link.ts';
import { imageModels, imageName } from '../images/names.ts';
import type { Recipe } from '../images/oci.ts';
import { nodeModel } from '../boot/models.ts';
import { type Calls, checkOverwrite, type Cloned, type CloneRequest } from './clone-rules.ts';
import type { Progress, Result } from './contract.ts';

export { type EngineLink, parseEngineLink } from '../images/engine/link.ts';

/**
 * Talks to container engines. This happens in the client's process, as with registries: an engine that is reached by TCP is
 * out of the daemon's reach, and the environment that names it is that of the user who asks.
 */
export interface EngineOptions {
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
  /** the environment of this process by default */
  env?: NodeJS.ProcessEnv;
}
export interface FoundImage {
  image: InspectedImage;
  /** node models that it says it is made for */
  models: string[];
  /** Brings it into the store under that name; only layers that the store has not got are moved, and none of an image that it has. */
  fetch: (name: string, force: boolean, recipe?: Recipe) => Promise<Result<'image.import'>>;
}

/** Finds the image of a link. Throws when there is no such engine, no such image, or it is not made for nodes. */
export async function findEngineImage(
  client: Calls,
  link: EngineLink,
  options: EngineOptions = {},
): Promise<FoundImage> {
  const { signal, onProgress } = options;
  const engine = await chooseEngine(link.engine, options.env);
  const image = await engineImage(engine, link.reference, signal);
  if (!image) {
    throw new BootyardError(
      'image.noRemote',
      `${engine.name} has no image '${link.reference}': \`bootyard image show --all\` lists its images.`,
    );
  }
  const models = imageModels(image.labels);
  if (models.length === 0) {
    throw new BootyardError(
      'image.noModels',
      `Failed. The image '${link.reference}' of ${engine.name} does not indicate compatible node models (label walt.node.models).`,
    );
  }
  const control = { ...(signal ? { signal } : {}), ...(onProgress ? { progress: onProgress } : {}) };
  const round = async (name: string, force: boolean, recipe?: Recipe): Promise<Result<'image.import'>> => {
    const { there, folders } = await client.call('image.transfer', { layers: image.layers });
    const bringIn = (path: string): Promise<Result<'image.import'>> =>
      client.call('image.import', { path, name, force, recipe }, { signal, onProgress });
    const same = (await client.call('image.list', {})).find(({ id }) => id === image.id);
    const content = same && (await client.call('image.transfer', { image: same.name })).content;
    if (content) return await useKnownLayout(content, folders.downloads, bringIn);
    return await fetchFromEngine(engine, image, { layers: new Set(there), ...folders }, control, bringIn);
  };
  const fetch = async (name: string, force: boolean, recipe?: Recipe): Promise<Result<'image.import'>> => {
    try {
      return await round(name, force, recipe);
    } catch (error) {
      // What went from the store meanwhile is fetched in a second round.
      if (!(error instanceof BootyardError) || error.code !== 'image.incomplete') throw error;
      return round(name, force, recipe);
    }
  };
  return { image, models, fetch };
}

/**
 * The image that nodes boot when `text` is asked for: one of an engine is brought into the store first, unless that very
 * image is there, under a name of its own (`docker/<name>`). Any other text is answered as it is.
 */
export async function bootableImage(
  client: Calls,
  text: string,
  options: EngineOptions & { warn?: (sentence: string) => void } = {},
): Promise<string> {
  const link = parseEngineLink(text);
  if (!link) return text;
  const all = await client.call('image.list', {});
  // A name with a tag may look like a link.
  if (all.some((there) => there.name === text)) return text;
  const name = bootName(link);
  const { image, fetch } = await findEngineImage(client, link, options);
  if (all.some((there) => there.name === name && there.id === image.id)) return name;
  const { warnings } = await fetch(name, true);
  for (const sentence of warnings) options.warn?.(sentence);
  return name;
}

/** Brings an image of an engine into the store as `image clone` does, with WalT's rules and sentences. */
export async function cloneFromEngine(
  client: Calls,
  link: EngineLink,
  request: CloneRequest,
  options: EngineOptions = {},
): Promise<Cloned> {
  const name = imageName(request.name ?? cloneName(link));
  const { image, models, fetch } = await findEngineImage(client, link, options);
  const wanted = request.model === undefined ? undefined : nodeModel(request.model).architecture;
  if (wanted !== undefined && wanted !== image.architecture) {
    throw new BootyardError(
      'image.otherArchitecture',
      `The image '${link.reference}' is not made for ${wanted} but for ${image.architecture}.`,
    );
  }
  const users = await checkOverwrite(client, name, models, request);
  const { warnings, ...fetched } = await fetch(name, request.force, request.recipe);
  if (users.length > 0) await client.call('node.reboot', { nodes: users });
  return { image: fetched, warnings, rebooted: users };
}
