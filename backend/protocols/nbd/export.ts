/** What a server offers under a name. */
export interface NbdExport {
  readonly name: string;
  /** bytes */
  readonly size: number;
  /** for a person; may be empty */
  readonly description: string;
  readonly readOnly: boolean;
  /**
   * True when all connections that `open` it use one and the same store, so that a FLUSH on one covers the writes of all
   * (NBD_FLAG_CAN_MULTI_CONN).
   */
  readonly shared: boolean;
  /** Called once for each connection that uses the export. */
  open(): Promise<NbdStore>;
  /** The connection that opened `store` is done with it; nothing of it is under way. */
  release(store: NbdStore): Promise<void>;
}

/**
 * The bytes of an export. Positions and lengths lie inside the export: the server checks them. Methods may be called
 * while others are under way, and reject with a system error (`ENOSPC`, …).
 */
export interface NbdStore {
  /** Fills the whole of `target`. `isLone`: the client waits for nothing else, so the store need not look after others. */
  read(target: Uint8Array, position: number, isLone?: boolean): Promise<void>;
  write(data: Uint8Array, position: number): Promise<void>;
  /** All that was written before is on the disk when this ends. */
  flush(): Promise<void>;
  /** The range reads as zeros from now on. Must be fast unless `keepSpace`: then its space stays reserved. */
  zero(position: number, length: number, keepSpace: boolean): Promise<void>;
  /** The range's content is no longer needed. */
  trim(position: number, length: number): Promise<void>;
  /** True when the range is known to be zeros without a look at the disk. */
  isHole(position: number, length: number): boolean;
  /** Bytes of the host's disk that the content takes. */
  readonly storedBytes: number;
}

/**
 * The exports of one client, which is an IPv4 address as text. The first one is also the default, which has no name.
 */
export type NbdExports = (client: string) => readonly NbdExport[];
