import { createWriteStream } from 'node:fs';
import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BootyardError } from '../../errors.ts';
import type { ImageTree } from '../../images/tree/tree.ts';
import { bzImageRelease } from '../kernel-file.ts';
import type { BootPlan } from '../plan.ts';
import { readKallsyms } from './kallsyms.ts';
import { symbolFile } from './symbol-file.ts';
import { unpackKernel } from './unpack-kernel.ts';

const CHUNK = 1 << 20;
/** bytes of a kernel file at most; a distribution's are below 20 MB */
const MAX_FILE = 256 << 20;

/** What a debugger needs to know of the kernel that a node boots. */
export interface KernelSymbols {
  /** an ELF file on the host, with the addresses that the kernel is linked to */
  file: string;
  /** as in `uname -r` */
  release: string;
  /** `debug package`: with types and lines; `kernel`: names of functions and data alone */
  source: 'debug package' | 'kernel';
  addressOf: (name: string) => bigint | undefined;
}

interface Control {
  signal: AbortSignal;
  progress: (progress: { message: string; fraction?: number }) => void;
}

/**
 * The symbols of the kernel in a boot plan's image, as a file in `folder` that replaces those of before: the vmlinux of
 * the kernel's debug package if the image has it, else what the kernel itself carries. Throws `debug.kernel` when the
 * image has no such kernel.
 */
export async function kernelSymbols(
  { tree, node, imageId }: Pick<BootPlan, 'tree' | 'node' | 'imageId'>,
  folder: string,
  { signal, progress }: Control,
): Promise<KernelSymbols> {
  progress({ message: `Reading the symbols of the kernel of ${node.image}` });
  const path = `/boot/${node.model}/kernel`;
  const inode = tree.lookupPath(path);
  if (inode === 0 || tree.stat(inode).type !== 'file' || tree.stat(inode).size > MAX_FILE)
    throw new BootyardError('debug.kernel', `Image ${node.image} has no kernel at ${path}.`);
  const chunks: Buffer[] = [];
  for await (const chunk of contentOf(tree, inode, signal)) chunks.push(chunk);
  const kernel = Buffer.concat(chunks);
  const release = bzImageRelease(kernel) ?? 'unknown';
  const symbols = readKallsyms(await unpackKernel(kernel, signal));
  const known = new Map(symbols.map(({ name, address }) => [name, address]));
  const addressOf = (name: string): bigint | undefined => known.get(name);
  const vmlinux = debugFile(tree, release);
  const name = `kernel-${imageId.slice(0, 16)}.${vmlinux === undefined ? 'symbols' : 'vmlinux'}`;
  const file = join(folder, name);
  await removeOthers(folder, name);
  if (vmlinux === undefined) {
    await writeFile(`${file}.new`, symbolFile(symbols), { signal });
  } else if (!(await hasSize(file, tree.stat(vmlinux).size))) {
    progress({ message: `Copying the debug file of the kernel out of ${node.image}` });
    await pipeline(Readable.from(contentOf(tree, vmlinux, signal)), createWriteStream(`${file}.new`));
  } else return { file, release, source: 'debug package', addressOf };
  await rename(`${file}.new`, file);
  return { file, release, source: vmlinux === undefined ? 'kernel' : 'debug package', addressOf };
}

/** Where debug packages of Debian and Fedora have the kernel with all that the compiler knew of it. */
function debugFile(tree: ImageTree, release: string): number | undefined {
  if (!/^[\w.+~-]+$/.test(release)) return undefined;
  const folder = '/usr/lib/debug';
  for (const path of [`${folder}/boot/vmlinux-${release}`, `${folder}/lib/modules/${release}/vmlinux`]) {
    const inode = tree.lookupPath(path);
    if (inode !== 0 && tree.stat(inode).type === 'file') return inode;
  }
  return undefined;
}

async function removeOthers(folder: string, name: string): Promise<void> {
  const old = (await readdir(folder)).filter(
    (other) => /^kernel-[0-9a-f]{16}\./.test(other) && other !== name,
  );
  for (const other of old) await rm(join(folder, other), { force: true });
}

async function hasSize(file: string, size: number): Promise<boolean> {
  return await stat(file).then(
    (found) => found.size === size,
    () => false,
  );
}

async function* contentOf(tree: ImageTree, inode: number, signal: AbortSignal): AsyncGenerator<Buffer> {
  const { size } = tree.stat(inode);
  for (let position = 0; position < size; position += CHUNK) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK, size - position));
    await tree.readCold(inode, position, chunk, 0, chunk.length);
    signal.throwIfAborted();
    yield chunk;
  }
}
