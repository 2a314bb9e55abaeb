/** What modules.dep of a kernel says (depmod's man page, modules.dep(5)). Paths are relative to `/lib/modules/<release>/`. */
export interface DependencyTable {
  byName: Map<string, string>;
  /** file -> the files it needs, all of them, the last to be loaded first */
  needs: Map<string, string[]>;
}

export function parseDependencies(text: string): DependencyTable {
  const table: DependencyTable = { byName: new Map(), needs: new Map() };
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    const path = line.slice(0, colon);
    table.byName.set(moduleName(path), path);
    table.needs.set(
      path,
      line
        .slice(colon + 1)
        .split(' ')
        .filter((word) => word !== ''),
    );
  }
  return table;
}

/** `kernel/fs/nfs/nfsv3.ko.xz` -> `nfsv3`; the kernel takes - and _ for the same. */
export function moduleName(path: string): string {
  const file = path.slice(path.lastIndexOf('/') + 1);
  return file.replace(/\.ko(\.\w+)?$/, '').replaceAll('-', '_');
}

/** Names of the modules that a list such as modules.builtin or modules.order has, one path a line. */
export function moduleNames(list: string): Set<string> {
  return new Set(list.split('\n').map((line) => moduleName(line)));
}
