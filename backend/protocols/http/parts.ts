import type { Publish } from '../../events/bus.ts';
import type { FileSource } from '../file-source.ts';

/** A file, or a clause that says why there is none. */
export type Resolved = FileSource | { missing: string } | undefined;
/**
 * Finds the file that `client` (IPv4 address) means by `path`: what follows `/boot`, with a slash before it, cleaned.
 */
export type ResolveBootFile = (
  client: string,
  path: string,
  query: URLSearchParams,
) => Resolved | Promise<Resolved>;

export interface BootHttpServerParts {
  address: string;
  port?: number;
  resolve: ResolveBootFile;
  publish: Publish;
  timeouts?: Partial<HttpTimeouts>;
}

/** After how many ms a connection is closed. */
export interface HttpTimeouts {
  /** the head of a request is not complete */
  head: number;
  /** the request is not complete */
  request: number;
  /** nothing moves: no next request, or a client that does not read */
  idle: number;
}
