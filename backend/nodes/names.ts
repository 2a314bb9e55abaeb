import { BootyardError } from '../errors.ts';

/** A label of the domain name system may have this many characters (RFC 1035 §2.3.4). */
const LONGEST = 63;
/** Words that node sets and the lab's own host table give another meaning. */
const RESERVED = new Set(['server', 'registry', 'walt-server', 'localhost', 'default', 'booted-image']);
const MINE = new Set(['my-nodes', 'all-nodes']);
const OTHERS = new Set(['free-nodes', 'all-devices', 'all-switches', 'explorable-switches', 'server']);

/** Throws `node.name` unless the name is a host name by WalT's rules. */
export function checkName(name: string): void {
  const problem = nameProblem(name);
  if (problem === undefined) return;
  throw new BootyardError(
    'node.name',
    `Failed: invalid node name '${name.slice(0, 80)}': ${problem} (example: vnode1).`,
    { name },
  );
}

function nameProblem(name: string): string | undefined {
  if (RESERVED.has(name) || MINE.has(name) || OTHERS.has(name)) return 'this word is reserved';
  if (!/^[a-zA-Z]/.test(name)) return 'the 1st character must be an alphabet letter';
  if (!/^[a-zA-Z0-9-]+$/.test(name)) return "only alphanumeric characters and '-' are allowed";
  if (name.length < 2) return 'a name has at least 2 characters';
  if (name.length > LONGEST) return `a name has at most ${LONGEST} characters`;
  return undefined;
}

/**
 * Resolves node sets in WalT's syntax: names, comma lists, `all-nodes`, `my-nodes` (the same here: a lab has one user).
 * Temporary nodes are meant by their names alone.
 * The nodes come once each, in the order they were named. Throws `node.unknown` for names that are not there, all of
 * them in one sentence, `node.none` when keywords leave nothing.
 */
export function resolveSet<T extends { name: string; temporary?: boolean }>(
  set: readonly string[],
  nodes: readonly T[],
): T[] {
  const byName = new Map(nodes.map((node) => [node.name.toLowerCase(), node]));
  const found = new Set<T>();
  const unknown: string[] = [];
  for (const word of words(set)) {
    if (MINE.has(word)) for (const node of nodes.filter(({ temporary }) => !temporary)) found.add(node);
    else if (OTHERS.has(word)) throw notHere(word);
    else {
      const node = byName.get(word.toLowerCase());
      if (node) found.add(node);
      else unknown.push(word);
    }
  }
  if (unknown.length > 0) throw unknownNodes(unknown);
  if (found.size > 0) return [...found];
  throw new BootyardError(
    'node.none',
    "Sorry, there are no nodes yet: make one with 'bootyard node create NAME'.",
  );
}

function words(set: readonly string[]): string[] {
  const all = set.flatMap((part) => part.split(',')).map((word) => word.trim());
  return all.filter((word) => word !== '');
}

function unknownNodes(names: readonly string[]): BootyardError {
  const list = names.map((name) => `'${name.slice(0, 80)}'`).join(', ');
  return new BootyardError(
    'node.unknown',
    names.length === 1
      ? `Sorry, no node is named ${list}. (tip: bootyard node show)`
      : `Sorry, no nodes are named ${list}. (tip: bootyard node show)`,
    { names },
  );
}

function notHere(word: string): BootyardError {
  return new BootyardError(
    'node.unknown',
    `Sorry, '${word}' means nothing in a lab of one user with virtual nodes only: name nodes, or take all-nodes.`,
    { names: [word] },
  );
}
