import { bufferSource, type FileSource } from '../protocols/file-source.ts';
import { firmwareContent } from './firmware.ts';
import type { BootPlan } from './plan.ts';
import { cleanPath, type ServedNodes } from './served-nodes.ts';
import { stage1Script } from './stage1.ts';

/** Names of the files that do not come from an image. */
export const UNDIONLY = 'pxe/walt-x86-undionly.kpxe';
export const SNPONLY = 'pxe/walt-x86-64-snponly.efi';
export const STAGE1 = 'pxe/bootyard-stage1.ipxe';

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
      return bufferSource(firmwareContent('undionly.kpxe'));
    }
    if (path === `/${SNPONLY}`) return bufferSource(firmwareContent('snponly.efi'));
    if (path === `/${STAGE1}`) return bufferSource(stage1Script());
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
  if (inode === 0) return { missing: `image ${plan.node.image} has no ${inImage}` };
  if (plan.tree.stat(inode).type !== 'file') {
    return { missing: `${inImage} of image ${plan.node.image} is not a file` };
  }
  return plan.tree.source(inode);
}
