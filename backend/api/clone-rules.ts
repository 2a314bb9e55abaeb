import { BootyardError } from '../errors.ts';
import type { Recipe } from '../images/oci.ts';
import type { ApiClient } from './client.ts';
import type { ImageInfo } from './image.ts';

export type Calls = Pick<ApiClient, 'call'>;

export interface CloneRequest {
  link: string;
  /** that of the link by default */
  name?: string;
  /** replaces an image of the same name and reboots the nodes that use it */
  force: boolean;
  /** the node model that the image is for, when there are several of that name */
  model?: string;
  /** kept with the image */
  recipe?: Recipe | undefined;
}
export interface Cloned {
  image: ImageInfo;
  /** a sentence for each thing in it that nodes will not see, and on its name */
  warnings: string[];
  /** nodes that were rebooted */
  rebooted: string[];
}

/** Names of the nodes that a new image of this name would reboot. */
export async function checkOverwrite(
  client: Calls,
  name: string,
  models: string[],
  { force, link, name: given }: CloneRequest,
): Promise<string[]> {
  const there = (await client.call('image.list', {})).find((image) => image.name === name);
  if (!there) return [];
  const users = await client.call('node.list', {});
  const using = users.filter((node) => node.image === name);
  const unfit = [...new Set(using.map(({ model }) => model))].filter((model) => !models.includes(model));
  if (unfit.length > 0) {
    const kind = unfit.length === 1 ? 'node model' : 'node models';
    throw new BootyardError(
      'image.incompatible',
      `Sorry, cannot proceed. There is an image with the same name in your\nworking set. Overriding it is not allowed because it is currently\nin use, and the target image is not compatible with ${kind} ${unfit.join(', ')}.`,
    );
  }
  if (!force) {
    const reboots = using.length === 0 ? '' : ` (and reboot ${using.length} node(s))`;
    const command = ['bootyard image clone --force', link, ...(given === undefined ? [] : [given])].join(' ');
    throw new BootyardError(
      'image.exists',
      `An image has the same name in your working set.\nThis operation would overwrite it${reboots}.\nIf this is what you want, rerun with --force:\n$ ${command}`,
      { image: name },
    );
  }
  return using.filter((node) => node.state !== 'off').map((node) => node.name);
}

/** Says which nodes a new image of the name of theirs does not reach yet; undefined when there is none. */
export function outdatedSentence(image: string, nodes: readonly string[]): string | undefined {
  if (nodes.length === 0) return undefined;
  const [go, they] = nodes.length === 1 ? ['goes', 'it boots'] : ['go', 'they boot'];
  return `${nodes.join(', ')} ${go} on with the image that was '${image}' before until ${they} again.`;
}
