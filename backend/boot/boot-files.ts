import { posix } from 'node:path';
import { inodePaths } from '../images/tree/inode-paths.ts';
import { bufferSource, type FileSource } from '../protocols/file-source.ts';
import { firmwareContent } from './firmware.ts';
import type { BootPlan } from './plan.ts';
import { cleanPath, type ServedNodes } from './served-nodes.ts';
import { stage1Script } from './stage1.ts';

/** Names of the files that do not come from an image. */
export const UNDIONLY = 'pxe/walt-x86-undionly.kpxe';
export const SNPONLY = 'pxe/walt-x86-64-snponly.efi';
export const STAGE1 = 'pxe/bootyard-stage1.ipxe';

const IPXE = 'iPXE of this host';
/** Files of the same folder that a refusal names. */
const MAX_NAMED = 8;

/** Why a boot file is not there: what was asked, in a sentence that the timeline shows. */
export interface Missing {
  missing: string;
}

/**
 * The file that a node asks for by TFTP or HTTP: `/boot/<model>/<path>` of its own image (WalT's tftpd map), or one of
 * the firmware files. Links are followed inside the image's root.
 */
export class BootFiles {
  readonly #served: ServedNodes;
  /** called when a node fetches iPXE for its network card's ROM */
  readonly #onUndionly: (client: string) => void;

  constructor(served: ServedNodes, onUndionly: (client: string) => void) {
    this.#served = served;
    this.#onUndionly = onUndionly;
  }

  find(client: string, asked: string): FileSource | Missing {
    const path = cleanPath(asked);
    if (path.includes('undionly')) {
      this.#onUndionly(client);
      return bufferSource(firmwareContent('undionly.kpxe'), IPXE);
    }
    if (path === `/${SNPONLY}`) return bufferSource(firmwareContent('snponly.efi'), IPXE);
    if (path === `/${STAGE1}`) return bufferSource(stage1Script(), 'of the lab');
    const plan = this.#served.byAddress(client);
    if (!plan) return { missing: `no node with address ${client} is booting` };
    return fileOf(plan, legacyName(path, plan.node.model));
  }
}

/** Old boot sticks ask for `boot/<model>.ipxe`. */
function legacyName(path: string, model: string): string {
  return path === `/boot/${model}.ipxe` ? '/start.ipxe' : path;
}

function fileOf(plan: BootPlan, path: string): FileSource | Missing {
  const inImage = `/boot/${plan.node.model}${path}`;
  const inode = plan.tree.lookupPath(inImage);
  if (inode === 0) return { missing: `image ${plan.node.image} has no ${inImage}${instead(plan, inImage)}` };
  if (plan.tree.stat(inode).type !== 'file') {
    return { missing: `${inImage} of image ${plan.node.image} is not a file` };
  }
  return { ...plan.tree.source(inode), origin: originOf(plan, inode) };
}

/** The file's own path in the image, which a link may have led to, and its layer. */
function originOf({ tree, node }: BootPlan, inode: number): string {
  const layer = tree.layer(inode);
  if (layer === tree.layers.length) return 'made for this boot';
  const path = inodePaths(tree, new Set([inode])).get(inode) ?? '';
  return `/${path} of ${node.image}, layer ${layer}`;
}

/** What is in the folder where a file was looked for, in a few words. */
function instead({ tree }: BootPlan, path: string): string {
  const folder = posix.dirname(path);
  const inode = tree.lookupPath(folder);
  if (inode === 0 || tree.stat(inode).type !== 'directory') return ', nor that folder';
  const names = Array.from(tree.children(inode), ({ name }) => name.toString('utf8')).sort();
  if (names.length === 0) return ' (that folder is empty)';
  const more = names.length > MAX_NAMED ? ', …' : '';
  return ` (there is ${names.slice(0, MAX_NAMED).join(', ')}${more})`;
}
