import type { NbdExport } from './export.ts';
import { SparseFile } from './sparse-file.ts';

const GIB = 1024 ** 3;
/** The name that nodes ask for, and its size. */
const SWAP_NAME = 'swap-16G';
const SWAP_SIZE = 16 * GIB;

export interface SwapUsage {
  /** IPv4 address as text */
  client: string;
  /** bytes of the host's disk that the content takes; `fileBytes` with what is free in between and used again */
  storedBytes: number;
  fileBytes: number;
}

/**
 * Swap space for each client: one file per client, made when it is first used. All connections of a client share it, and
 * it outlives them: a connection that breaks must not cost a running system its memory. `discard` throws it away.
 */
export class SwapExports {
  readonly #folder: string;
  readonly #limit: number;
  readonly #files = new Map<string, Promise<SparseFile>>();
  /** The files that are open, for `usage`. */
  readonly #open = new Map<string, SparseFile>();

  /**
   * @param folder on the disk that is to hold the swap space
   * @param limit bytes of that disk for each client; a client that needs more is told ENOSPC
   */
  constructor(folder: string, limit = SWAP_SIZE) {
    this.#folder = folder;
    this.#limit = limit;
  }

  /** What `client` is offered. */
  readonly of = (client: string): readonly NbdExport[] => [
    {
      name: SWAP_NAME,
      size: SWAP_SIZE,
      description: 'Swap space, empty at power-on',
      readOnly: false,
      shared: true,
      open: () => this.#fileOf(client),
      release: async () => {},
    },
  ];

  /** The disk space in use now, by client. */
  usage(): SwapUsage[] {
    return [...this.#open].map(([client, { storedBytes, fileBytes }]) => ({
      client,
      storedBytes,
      fileBytes,
    }));
  }

  /** The client's machine is off: its swap space is given back. Its connections should have been dropped before. */
  async discard(client: string): Promise<void> {
    const file = this.#files.get(client);
    this.#files.delete(client);
    this.#open.delete(client);
    await (await file?.catch(() => undefined))?.close();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#files.keys()].map((client) => this.discard(client)));
  }

  async #fileOf(client: string): Promise<SparseFile> {
    const known = this.#files.get(client);
    if (known) return known;
    const made = SparseFile.create(this.#folder, SWAP_SIZE, this.#limit);
    this.#files.set(client, made);
    try {
      const file = await made;
      if (this.#files.get(client) === made) this.#open.set(client, file);
      return file;
    } catch (error) {
      // The next connection tries again.
      if (this.#files.get(client) === made) this.#files.delete(client);
      throw error;
    }
  }
}
