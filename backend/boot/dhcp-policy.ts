import type { DhcpClient } from '../protocols/dhcp/client.ts';
import type { BootFile, DhcpPolicy, Reservation } from '../protocols/dhcp/policy.ts';
import { STAGE1, UNDIONLY } from './boot-files.ts';

/** What the policy asks about registered nodes. */
export interface KnownNodes {
  byMac(mac: string): { ip: string; name: string } | undefined;
  byAddress(ip: string): unknown;
}

/**
 * Addresses and boot files as WalT gives them. A first stage that says `walt.node.<model>` gets no file: its script goes
 * on by itself. A network card's ROM gets iPXE (undionly.kpxe); that iPXE, which asks again, gets the first stage.
 */
export class NodeDhcpPolicy implements DhcpPolicy {
  readonly #nodes: KnownNodes;
  /** nodes whose ROM has fetched iPXE since they were switched on: the next who asks is that iPXE */
  readonly #inUndionly = new Set<string>();

  constructor(nodes: KnownNodes) {
    this.#nodes = nodes;
  }

  reservation(client: DhcpClient): Reservation | undefined {
    const node = this.#nodes.byMac(client.mac);
    return node && { address: node.ip, hostname: node.name };
  }

  isReserved(address: string): boolean {
    return this.#nodes.byAddress(address) !== undefined;
  }

  bootFile(client: DhcpClient): BootFile | undefined {
    const isPxe = client.vendorClass?.startsWith('PXEClient') ?? false;
    if (!isPxe || client.architecture !== 0 || client.userClass?.startsWith('walt.node')) return undefined;
    const chained = client.userClass === 'iPXE' && this.#inUndionly.has(client.mac);
    return { file: chained ? STAGE1 : UNDIONLY };
  }

  undionlyFetched(mac: string): void {
    this.#inUndionly.add(mac);
  }
  powerOff(mac: string): void {
    this.#inUndionly.delete(mac);
  }
}
