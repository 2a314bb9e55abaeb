import type { NodeInfo } from '../../backend/api/node.ts';

/** Where a part of a line leads: another node, a port of one, or a file of the image that the line's node runs on. */
export type LinkTarget =
  | { readonly kind: 'node'; readonly node: string }
  | { readonly kind: 'port'; readonly node: string; readonly port: number }
  | { readonly kind: 'file'; readonly image: string; readonly path: string };

export interface ConsoleLink {
  readonly start: number;
  readonly length: number;
  readonly target: LinkTarget;
}

/** A line may be anything that a node prints: what is beyond is not looked at. */
const LONGEST_LINE = 2000;
const MOST_LINKS = 20;
const WORD = /[\w.:/@%+,=-]+/g;
const NAME = /(?<![\w.-])[a-z][a-z0-9-]*(?![\w-]|\.\w)/g;
const ADDRESS = /^(\d{1,3}(?:\.\d{1,3}){3})(?::(\d{1,5}))?$/;

/**
 * What leads somewhere in a line that `node` printed: names and addresses of other nodes, with a port or without, and absolute
 * paths, of which somebody else must say whether the image has them.
 */
export function consoleLinks(text: string, node: NodeInfo, nodes: readonly NodeInfo[]): ConsoleLink[] {
  const line = text.slice(0, LONGEST_LINE);
  const links = [...line.matchAll(WORD)].flatMap((match) => wordLink(match, node, nodes));
  const taken = (at: number): boolean =>
    links.some(({ start, length }) => at >= start && at < start + length);
  const names = [...line.matchAll(NAME)].flatMap(({ 0: name, index }) => {
    const isOther = name !== node.name && nodes.some((other) => other.name === name);
    if (!isOther || taken(index)) return [];
    return [{ start: index, length: name.length, target: { kind: 'node' as const, node: name } }];
  });
  return [...links, ...names].toSorted((one, other) => one.start - other.start).slice(0, MOST_LINKS);
}

function wordLink(
  { 0: text, index }: RegExpExecArray,
  node: NodeInfo,
  nodes: readonly NodeInfo[],
): ConsoleLink[] {
  const word = text.replace(/[.,:=-]+$/, '');
  const [, address, port] = ADDRESS.exec(word) ?? [];
  const owner = address === undefined ? undefined : nodes.find(({ ip }) => ip === address);
  if (owner && port !== undefined && Number(port) >= 1 && Number(port) <= 65_535) {
    return [link(index, word, { kind: 'port', node: owner.name, port: Number(port) })];
  }
  if (owner && port === undefined && owner.mac !== node.mac) {
    return [link(index, word, { kind: 'node', node: owner.name })];
  }
  // Behind `root=` and the like, too, but not within a URL.
  const path = /(?:^|[=:,@])(\/(?!\/)[\w.@%+/-]{2,})$/.exec(word)?.[1];
  if (path === undefined || path.includes('//') || path.split('/').includes('..')) return [];
  return [link(index + word.length - path.length, path, { kind: 'file', image: node.image, path })];
}

function link(start: number, text: string, target: LinkTarget): ConsoleLink {
  return { start, length: text.length, target };
}

/** What a click does, for a tooltip. */
export function linkTooltip(target: LinkTarget): string {
  if (target.kind === 'node') return `Open the terminal of ${target.node}`;
  if (target.kind === 'port') return `Expose port ${target.port} of ${target.node}`;
  return `Open ${target.path} of image ${target.image}`;
}
