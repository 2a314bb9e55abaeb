import type { ExportTree } from '../protocols/nfs/export-tree.ts';
import type { NfsExports } from '../protocols/nfs/handle.ts';
import type { NfsShare } from '../protocols/nfs/share/share.ts';
import type { BootPlan, PlannedNode } from './plan.ts';
import { cleanPath, type ServedNodes } from './served-nodes.ts';

/** The nodes' own files that outlive boots and images. */
export interface Persist {
  share(node: PlannedNode): NfsShare;
  /** whether the node may mount it (setting `mount.persist`) */
  isAllowed(node: PlannedNode): boolean;
}

/**
 * What a node may mount: the root of its own image and its own /persist, by the paths that WalT's server has (mac with
 * colons or dashes, address, name; image id).
 */
export class RootExports implements NfsExports {
  readonly #served: ServedNodes;
  readonly #persist: Persist;

  constructor(served: ServedNodes, persist: Persist) {
    this.#served = served;
    this.#persist = persist;
  }

  mount(client: string, asked: string): { tree: ExportTree } | { share: NfsShare } | { refused: string } {
    const plan = this.#served.byAddress(client);
    if (!plan) return { refused: `no node with address ${client} is booting` };
    const path = cleanPath(asked);
    if (rootPaths(plan).has(path)) return { tree: plan.tree };
    const { node } = plan;
    if (!nodePaths(plan, 'persist').includes(path))
      return { refused: `${asked} is not exported to ${node.name}` };
    if (this.#persist.isAllowed(node)) return { share: this.#persist.share(node) };
    return { refused: `the setting mount.persist of ${node.name} is false` };
  }

  /** What `showmount -e` says to this node. */
  list(client: string): string[] {
    const plan = this.#served.byAddress(client);
    if (!plan) return [];
    const folder = `/var/lib/walt/nodes/${plan.node.mac}`;
    return this.#persist.isAllowed(plan.node) ? [`${folder}/fs`, `${folder}/persist`] : [`${folder}/fs`];
  }

  tree(client: string, id: bigint): ExportTree | undefined {
    const tree = this.#served.byAddress(client)?.tree;
    return tree?.id === id ? tree : undefined;
  }

  /** What a node has mounted stays, also when the setting has changed since. */
  share(client: string, id: bigint): NfsShare | undefined {
    const plan = this.#served.byAddress(client);
    const share = plan && this.#persist.share(plan.node);
    return share?.id === id ? share : undefined;
  }
}

function rootPaths(plan: BootPlan): Set<string> {
  return new Set([...nodePaths(plan, 'fs'), `/var/lib/walt/images/${plan.imageId}/fs`]);
}

function nodePaths({ node: { mac, ip, name } }: BootPlan, share: string): string[] {
  const names = [mac, mac.replaceAll(':', '-'), ip, name];
  return names.map((node) => `/var/lib/walt/nodes/${node}/${share}`);
}
