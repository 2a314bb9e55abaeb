/** `vnode1`, `vnode1 and vnode2`, `5 nodes`: for titles and questions. */
export function nameList(nodes: readonly { name: string }[]): string {
  const names = nodes.map((node) => node.name);
  return names.length <= 2 ? names.join(' and ') : `${names.length} nodes`;
}

/** The first of vnode1, vnode2, … that no node has. */
export function freeNodeName(taken: readonly string[]): string {
  const names = new Set(taken);
  for (let number = 1; ; number++) {
    if (!names.has(`vnode${number}`)) return `vnode${number}`;
  }
}

/** What is wrong with a new node name, one sentence; undefined when nothing is. The daemon has the last word. */
export function nodeNameProblem(name: string, taken: readonly string[]): string | undefined {
  if (name === '') return 'A node needs a name.';
  if (!/^[a-zA-Z][a-zA-Z0-9-]+$/.test(name)) {
    return 'A node name has two or more letters, digits and dashes, and starts with a letter.';
  }
  return taken.includes(name) ? `There is a node "${name}" already.` : undefined;
}
