import type { DhcpClient } from './client.ts';

/** A fixed address. */
export interface Reservation {
  /** dotted; it may lie inside the dynamic range, from which it is then kept out */
  address: string;
  hostname: string;
  /** dotted; given as option 3 only to clients that have one (WalT: only nodes with a NAT uplink) */
  router?: string;
}

/** What firmware shall load, and options that belong to it. */
export interface BootFile {
  /** path on the TFTP server, or a URL; without it the client gets no file name */
  file?: string;
  /** dotted; the server itself if not given */
  nextServer?: string;
  /** options to add or to replace, for example 60 `PXEClient` and 43 */
  options?: ReadonlyMap<number, Uint8Array>;
}

/** The decisions that are not the protocol's. Called in the packet path: each must return at once. */
export interface DhcpPolicy {
  /** The client's fixed address; undefined for an unknown client, which the dynamic range serves. */
  reservation(client: DhcpClient): Reservation | undefined;
  /** True for addresses of the dynamic range that unknown clients must not get. */
  isReserved(address: string): boolean;
  bootFile(client: DhcpClient): BootFile | undefined;
  /** The client was given the address (ACK to a REQUEST), for the first time or again. */
  onBound?(client: DhcpClient, address: string): void;
}
