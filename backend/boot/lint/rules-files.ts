import { EntryType } from '../../images/tree/layer-index.ts';
import { SLICE } from '../../images/tree/slices.ts';
import { shown } from '../../images/tar/tar-path.ts';
import { installLine, runLine } from './dockerfile.ts';
import type { Hit, Rule } from './finding.ts';
import type { LintImage } from './image.ts';

const CAPABILITY = 'security.capability';

const capabilities: Rule = {
  id: 'files.capabilities',
  severity: 'warning',
  async *check(image) {
    const marked = new Set<number>();
    for (let inode = 1; inode <= image.tree.count; inode++) {
      if (image.tree.xattrs(inode).has(CAPABILITY)) marked.add(inode);
      if (inode % SLICE === 0) await image.turn();
    }
    if (marked.size === 0) return;
    for await (const { path, inode } of image.below('/')) {
      if (!marked.delete(inode)) continue;
      const { mode, uid } = image.tree.stat(inode);
      if (uid === 0 && (mode & 0o4000) !== 0) continue;
      yield {
        path,
        message: `${shown(path)} has file capabilities, which NFS version 3 cannot carry: in network boot only root can use it, in hybrid boot they hold.`,
        fix: 'Make the program setuid root where others need it in network boot, or boot the image in hybrid mode.',
        dockerfile: runLine('chmod u+s', path),
      };
    }
  },
};

/** Folders that are links into /usr where /usr is merged. */
const TOP = ['bin', 'sbin', 'lib', 'lib64'];

const linkReplaced: Rule = {
  id: 'usr.link-replaced',
  severity: 'error',
  async *check(image) {
    for (const name of TOP) {
      const inode = image.tree.lookupPath(`/${name}`, { follow: false });
      if (inode === 0 || image.tree.stat(inode).type !== 'directory') continue;
      const layer = await lastLinkAt(image, name);
      if (layer === undefined) continue;
      yield {
        path: `/${name}`,
        message: `/${name} is a link to usr/${name} in layer ${layer + 1}, and a folder in the image: a later layer put a folder ${name} in its place, which hides what is in /usr/${name}.`,
        fix: `Let what makes the later layer (COPY, ADD, a tar) use usr/${name} instead of ${name}.`,
        // The shell and its tools are hidden; without the libraries nothing runs at all.
        ...(name === 'bin' || name === 'sbin' ? { dockerfile: backIntoUsr(name) } : {}),
      };
    }
  },
};

function backIntoUsr(name: string): string {
  const script = `cd /usr/bin && ./cp -a /${name}/. /usr/${name}/ && ./rm -rf /${name} && ./ln -s usr/${name} /${name}`;
  return `RUN ["/usr/bin/sh", "-c", "${script}"]`;
}

/** The number of the last layer, from 0, in which the path is a link into /usr. */
async function lastLinkAt(image: LintImage, path: string): Promise<number | undefined> {
  for (const [layer, index] of [...image.source.layers.entries()].toReversed()) {
    for (let entry = 0; entry < index.count; entry++) {
      if (entry % SLICE === SLICE - 1) await image.turn();
      if (index.arrays.type[entry] !== EntryType.symlink || index.path(entry) !== path) continue;
      if (/^\/?usr\//.test(index.link(entry))) return layer;
    }
  }
  return undefined;
}

const badTop: Rule = {
  id: 'usr.dangling',
  severity: 'error',
  *check(image) {
    for (const name of TOP) {
      const inode = image.tree.lookupPath(`/${name}`, { follow: false });
      const isThere = inode !== 0;
      // Injected scripts and the image's own programs are found through it.
      if (image.type(`/${name}`) === 'directory' || (!isThere && name === 'lib64')) continue;
      yield {
        path: `/${name}`,
        message: isThere
          ? `/${name} is no folder, and no link to one.`
          : `The image has no folder /${name}, in which programs of a boot are looked for.`,
        fix: `Make /${name} a folder, or a link to usr/${name} where /usr is merged.`,
        dockerfile: `RUN ln -sfn usr/${name} /${name}`,
        ...(isThere && image.tree.stat(inode).type !== 'symlink' ? {} : linkIntoUsr(image, name)),
      };
    }
  },
};

/** Where /usr has the folder, nothing else can be meant. */
function linkIntoUsr(image: LintImage, name: string): Pick<Hit, 'repair'> {
  if (image.type(`/usr/${name}`) !== 'directory') return {};
  return { repair: { do: 'link', path: `/${name}`, target: `usr/${name}` } };
}

const halfMerged: Rule = {
  id: 'usr.half-merged',
  severity: 'warning',
  async *check(image) {
    const kinds = ['bin', 'sbin', 'lib'].map((name) => {
      const inode = image.tree.lookupPath(`/${name}`, { follow: false });
      return inode === 0 ? undefined : image.tree.stat(inode).type;
    });
    const folders: string[] = [];
    for (const [at, name] of ['bin', 'sbin', 'lib'].entries()) {
      // A folder that took a link's place has a finding of its own.
      if (kinds[at] === 'directory' && (await lastLinkAt(image, name)) === undefined) folders.push(name);
    }
    if (folders.length === 0 || !kinds.includes('symlink')) return;
    yield {
      path: `/${folders[0]}`,
      message: `/usr is merged only in part: ${folders.map((name) => `/${name}`).join(', ')} ${folders.length === 1 ? 'is a folder' : 'are folders'}, others are links into /usr; packages that trust in one of both fail.`,
      fix: 'Move what is there to /usr and put links in its place (Debian: the package usrmerge does that).',
      dockerfile: installLine(image, 'usrmerge'),
    };
  },
};

const machineId: Rule = {
  id: 'identity.machine-id',
  severity: 'warning',
  *check(image) {
    for (const path of ['/etc/machine-id', '/var/lib/dbus/machine-id']) {
      const inode = image.tree.lookupPath(path, { follow: false });
      if (inode === 0 || image.tree.stat(inode).type !== 'file') continue;
      if (!/^[0-9a-f]{32}\s*$/.test(image.text(path, 64))) continue;
      yield {
        path,
        message: `${path} holds the id of one machine, so that all nodes of the image share it (in logs, DHCP clients and D-Bus).`,
        fix: 'Leave it empty: systemd then gives each node an id of its own.',
        dockerfile: path.startsWith('/etc') ? `RUN : > ${path}` : `RUN rm ${path}`,
        repair: { do: path.startsWith('/etc') ? 'empty' : 'remove', path },
      };
    }
  },
};

const HOST_KEYS: readonly [folder: string, pattern: RegExp][] = [
  ['/etc/ssh', /^ssh_host_.*_key$/],
  ['/etc/dropbear', /^dropbear_.*_host_key$/],
];

const hostKeys: Rule = {
  id: 'identity.host-keys',
  severity: 'warning',
  *check(image) {
    for (const [folder, pattern] of HOST_KEYS) yield* keysIn(image, folder, pattern);
  },
};

function* keysIn(image: LintImage, folder: string, pattern: RegExp): Generator<Hit> {
  for (const name of image.names(folder).filter((one) => pattern.test(one))) {
    const path = `${folder}/${name}`;
    if (image.size(path) === 0) continue;
    yield {
      path,
      message: `${shown(path)} is a host key in the image: whoever has the image can pass itself off as any node of it.`,
      fix: 'Remove it; Bootyard gives all nodes a key of the lab, others make one at their first boot.',
      dockerfile: runLine('rm', path),
      repair: { do: 'remove', path },
    };
  }
}

export const fileRules: readonly Rule[] = [
  capabilities,
  linkReplaced,
  badTop,
  halfMerged,
  machineId,
  hostKeys,
];
