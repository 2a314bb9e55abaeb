import type { ExportTree } from '../protocols/nfs/export-tree.ts';
import type { NfsExports } from '../protocols/nfs/handle.ts';
import type { BootPlan } from './plan.ts';
import { cleanPath, type ServedNodes } from './served-nodes.ts';

/**
 * What a node may mount: the root of its own image by the paths that WalT's server has (mac with colons or dashes,
 * address, name, image id). `nodes/<name>/persist` is refused until there is such a share.
 */
export class RootExports implements NfsExports {
  readonly #served: ServedNodes;

  constructor(served: ServedNodes) {
    this.#served = served;
  }

  mount(client: string, asked: string): { tree: ExportTree } | { refused: string } {
    const plan = this.#served.byAddress(client);
    if (!plan) return { refused: `no node with address ${client} is booting` };
    if (rootPaths(plan).has(cleanPath(asked))) return { tree: plan.tree };
    return { refused: `${asked} is not exported to ${plan.node.name}` };
  }

  /** What `showmount -e` says to this node. */
  list(client: string): string[] {
    const plan = this.#served.byAddress(client);
    return plan ? [`/var/lib/walt/nodes/${plan.node.mac}/fs`] : [];
  }

  tree(client: string, id: bigint): ExportTree | undefined {
    const tree = this.#served.byAddress(client)?.tree;
    return tree?.id === id ? tree : undefined;
  }
}

function rootPaths(plan: BootPlan): Set<string> {
  const { mac, ip, name } = plan.node;
  const names = [mac, mac.replaceAll(':', '-'), ip, name];
  return new Set([
    ...names.map((node) => `/var/lib/walt/nodes/${node}/fs`),
    `/var/lib/walt/images/${plan.imageId}/fs`,
  ]);
}
