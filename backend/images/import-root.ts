import { userInfo } from 'node:os';
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { byProgram } from './tar/decompress.ts';
import { hostArchitecture, type ImportedImage } from './import-layout.ts';
import type { StagedLayer, Staging } from './staging.ts';
import { LayerFile } from './tree/layer-file.ts';
import { mergeInSlices } from './tree/merge-layers.ts';
import { ImageTree, treeId } from './tree/tree.ts';
import type { PackedTree } from './tree/tree-arrays.ts';

/** Machine numbers of ELF headers (System V gABI, e_machine) and the names that images use. */
const ELF_MACHINES = new Map([
  [0x03, '386'],
  [0x28, 'arm'],
  [0x3e, 'amd64'],
  [0xb7, 'arm64'],
  [0xf3, 'riscv64'],
]);

/** An image of one layer, the tar of a root file system. `created` is the time that its configuration states. */
export async function rootImage(layer: StagedLayer, created: Date): Promise<ImportedImage> {
  const id = treeId([layer.digest]);
  const tree = await mergeInSlices([layer.index], id);
  const config = {
    created: created.toISOString(),
    architecture: architectureOf(layer, id, tree),
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer.digest}`] },
    history: [{ created: created.toISOString(), created_by: 'bootyard image import' }],
  };
  return { config: Buffer.from(JSON.stringify(config)), layers: [layer], tree };
}

/** What the shell of the root file system was compiled for. */
function architectureOf(layer: StagedLayer, id: bigint, packed: PackedTree): string {
  const tree = new ImageTree(id, packed, [new LayerFile(layer.file)]);
  try {
    for (const path of ['bin/sh', 'bin/busybox', 'sbin/init']) {
      const inode = tree.lookupPath(path);
      if (inode === 0) continue;
      const header = Buffer.alloc(20);
      tree.source(inode).read(header, 0);
      const machine =
        header.readUInt32BE(0) === 0x7f454c46 ? ELF_MACHINES.get(header.readUInt16LE(18)) : undefined;
      if (machine) return machine;
    }
    return hostArchitecture();
  } finally {
    tree.close();
  }
}

/**
 * Packs a folder that holds a root file system. Root keeps the owners; for a plain user, who cannot have made files of
 * others, the own files become root's, as rootless image tools do. Sockets and other file systems are left out.
 */
export async function packFolder(folder: string, staging: Staging): Promise<StagedLayer> {
  const { signal, progress } = staging.control;
  progress?.({ message: `Packing ${folder}` });
  const args = [
    '--create',
    '--file=-',
    '--format=pax',
    '--pax-option=delete=atime,delete=ctime',
    '--sort=name',
  ];
  args.push(
    '--numeric-owner',
    '--sparse',
    '--one-file-system',
    '--xattrs',
    '--xattrs-include=security.capability',
  );
  args.push('--xattrs-include=user.*', ...(await ownerMap(staging)), `--directory=${folder}`, '.');
  const refused = `the folder '${folder}' cannot be packed`;
  const blob = await staging.write(byProgram(['tar', ...args], undefined, refused, signal));
  return staging.indexed(blob, { needsEnd: true });
}

async function ownerMap(staging: Staging): Promise<string[]> {
  const { uid, gid } = userInfo();
  if (uid === 0) return [];
  const owners = join(staging.folder, 'owners');
  const groups = join(staging.folder, 'groups');
  await writeFile(owners, `+${uid} root:0\n`);
  await writeFile(groups, `+${gid} root:0\n`);
  return [`--owner-map=${owners}`, `--group-map=${groups}`];
}
