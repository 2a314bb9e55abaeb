const MOST_CLIENTS = 256;
const MOST_PATHS = 16;

/** Which client has mounted what, for DUMP. Nothing depends on it, so it forgets the oldest when there are too many. */
export class MountTable {
  readonly #paths = new Map<string, Set<string>>();

  add(client: string, path: string): void {
    const paths = this.#paths.get(client) ?? new Set();
    this.#paths.set(client, paths);
    paths.add(path);
    dropOldest(paths, MOST_PATHS);
    dropOldest(this.#paths, MOST_CLIENTS);
  }

  remove(client: string, path: string): void {
    this.#paths.get(client)?.delete(path);
  }

  removeClient(client: string): void {
    this.#paths.delete(client);
  }

  paths(client: string): Iterable<string> {
    return this.#paths.get(client) ?? [];
  }
}

function dropOldest(entries: Set<string> | Map<string, unknown>, most: number): void {
  if (entries.size <= most) return;
  for (const oldest of entries.keys()) return void entries.delete(oldest);
}
