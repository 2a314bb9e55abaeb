import { BootyardError } from '../errors.ts';
import { SERVER_NAME } from './ingester.ts';
import { SERVER, type LogStream } from './store.ts';

/** Nodes as they are now. */
export interface IssuerNodes {
  /** by the issuer of a stream; undefined when it is no node (any more) */
  nameOf(issuer: string): string | undefined;
  isTemporary(issuer: string): boolean;
  isNode(name: string): boolean;
}

/** The name that a stream's lines are shown with: a node's own, also when it was renamed since. */
export function issuerName(stream: LogStream, nodes: IssuerNodes): string {
  return nodes.nameOf(stream.issuer) ?? stream.issuerName;
}

/**
 * Issuers in WalT's syntax: names of nodes, also of some that were removed, `my-nodes` and `all-nodes` (those of the lab,
 * also later ones), `server`, in comma lists. Throws `node.unknown` for a name that no node has or had.
 */
export function chosenIssuers(
  set: readonly string[],
  streams: readonly LogStream[],
  nodes: IssuerNodes,
): (stream: LogStream) => boolean {
  const words = set.flatMap((part) => part.split(',')).flatMap((word) => word.trim() || []);
  const names = new Set(words.map((word) => (word === SERVER ? SERVER_NAME : word.toLowerCase())));
  const all = ['my-nodes', 'all-nodes'].filter((word) => names.delete(word)).length > 0;
  const known = new Set(streams.map((stream) => issuerName(stream, nodes).toLowerCase()));
  const unknown = [...names].filter(
    (name) => name !== SERVER_NAME && !known.has(name) && !nodes.isNode(name),
  );
  if (unknown.length > 0 || words.length === 0) {
    const list = unknown.map((name) => `'${name.slice(0, 80)}'`).join(', ');
    throw new BootyardError(
      'node.unknown',
      `Sorry, nothing that logs is named ${list || "''"}. (tip: bootyard node show)`,
      {
        names: unknown,
      },
    );
  }
  const isOfAll = ({ issuer }: LogStream): boolean =>
    nodes.nameOf(issuer) !== undefined && !nodes.isTemporary(issuer);
  return (stream) => (all && isOfAll(stream)) || names.has(issuerName(stream, nodes).toLowerCase());
}
