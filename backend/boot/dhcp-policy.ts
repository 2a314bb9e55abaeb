import type { DhcpClient } from '../protocols/dhcp/client.ts';
import type { BootFile, DhcpPolicy, Reservation } from '../protocols/dhcp/policy.ts';
import { SNPONLY, STAGE1, UNDIONLY } from './boot-files.ts';

/** What the policy asks about registered nodes. */
export interface KnownNodes {
  byMac(mac: string): { ip: string; name: string } | undefined;
  byAddress(ip: string): unknown;
}

/** Option 93 (RFC 4578 §2.1, IANA's registry of processor architectures) */
const BIOS = 0;
/** x86-64 UEFI; 9 was meant for byte code, and some firmware says it */
const UEFI = [7, 9];
const UEFI_HTTP = 16;
/** Vendor class identifier: an offer without it is none for an HTTP client (UEFI specification 2.10, 24.7.3.1). */
const HTTP_OPTIONS = new Map([[60, Buffer.from('HTTPClient')]]);

/**
 * Addresses and boot files as WalT gives them. A first stage that says `walt.node.<model>` gets no file: its script goes
 * on by itself. A network card's ROM gets iPXE (undionly.kpxe), and so does UEFI (snponly.efi, by TFTP or HTTP); that
 * iPXE, which asks again, gets the first stage.
 */
export class NodeDhcpPolicy implements DhcpPolicy {
  readonly #nodes: KnownNodes;
  readonly #server: string;
  readonly #routerFor: (address: string) => string | undefined;
  /** nodes whose ROM has fetched iPXE since they were switched on: the next who asks is that iPXE */
  readonly #inUndionly = new Set<string>();

  /**
   * `server`: our address, for URLs. `routerFor`: the way out of the lab for a node's address; only nodes that have one
   * are told of it.
   */
  constructor(
    nodes: KnownNodes,
    server: string,
    routerFor: (address: string) => string | undefined = () => undefined,
  ) {
    this.#nodes = nodes;
    this.#server = server;
    this.#routerFor = routerFor;
  }

  reservation(client: DhcpClient): Reservation | undefined {
    const node = this.#nodes.byMac(client.mac);
    return node && { address: node.ip, hostname: node.name, router: this.#routerFor(node.ip) };
  }

  isReserved(address: string): boolean {
    return this.#nodes.byAddress(address) !== undefined;
  }

  bootFile(client: DhcpClient): BootFile | undefined {
    const { vendorClass = '', userClass = '', architecture = -1 } = client;
    if (userClass.startsWith('walt.node')) return undefined;
    if (vendorClass.startsWith('HTTPClient')) {
      if (architecture !== UEFI_HTTP) return undefined;
      return { file: `http://${this.#server}/boot/${SNPONLY}`, options: HTTP_OPTIONS };
    }
    if (!vendorClass.startsWith('PXEClient')) return undefined;
    // UEFI's own PXE client is not iPXE; a BIOS ROM may well be.
    if (UEFI.includes(architecture)) return { file: userClass === 'iPXE' ? STAGE1 : SNPONLY };
    if (architecture !== BIOS) return undefined;
    const chained = userClass === 'iPXE' && this.#inUndionly.has(client.mac);
    return { file: chained ? STAGE1 : UNDIONLY };
  }

  undionlyFetched(mac: string): void {
    this.#inUndionly.add(mac);
  }
  powerOff(mac: string): void {
    this.#inUndionly.delete(mac);
  }
}
