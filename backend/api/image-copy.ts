import { lstat, stat } from 'node:fs/promises';
import { BootyardError, systemCode } from '../errors.ts';
import { directoryPath, hostLayer } from '../images/copy-in.ts';
import { checkLayerCount, withLayer } from '../images/derived.ts';
import type { Staging } from '../images/staging.ts';
import type { Derived, ImageStore, OpenImage } from '../images/store.ts';
import type { ImageTree } from '../images/tree/tree.ts';
import { treeTar } from '../images/tree/tree-tar.ts';
import type { ImageOperations } from '../nodes/image-operations.ts';
import type { CallContext, CheckedParams, Result } from './contract.ts';
import { copyFromTar } from './copy/copy.ts';
import { imageCopyOf, type ImageLocation } from './copy/image-paths.ts';
import { insideOf, parentOf, type PathType, refusal, targetOf } from './copy/paths.ts';

type Control = Pick<CallContext, 'signal' | 'progress'>;

/** `image cp`: between this host and an image, whose tree is edited; no engine is needed. */
export class ImageCopier {
  readonly #images: ImageStore;
  readonly #operations: ImageOperations;

  constructor(images: ImageStore, operations: ImageOperations) {
    this.#images = images;
    this.#operations = operations;
  }

  /** Throws `image.cp` in WalT's sentences, and as `ImageOperations.change`. */
  async copy(params: CheckedParams<'image.cp'>, control: Control): Promise<Result<'image.cp'>> {
    const { image, from, to } = imageCopyOf(params, params.folder);
    try {
      if (to.image === undefined) return await this.#out(image, from, to, control);
      const { archive, force } = params;
      const make = (opened: OpenImage, staging: Staging) =>
        layerOf(opened, staging, { from, to, archive, source: params.from });
      const task = { task: 'file transfer', force };
      const done = await this.#operations.change(image, task, control, make);
      return { image: done.image.name, changed: done.changed, rebooted: done.rebooted, warnings: [] };
    } catch (error) {
      // The sentences are those of `node cp`.
      const isOurs = error instanceof BootyardError && error.code === 'node.cp';
      throw isOurs ? new BootyardError('image.cp', error.message, error.data) : error;
    }
  }

  async #out(
    name: string,
    from: ImageLocation,
    to: ImageLocation,
    control: Control,
  ): Promise<Result<'image.cp'>> {
    const { tree, record } = await this.#images.open(name);
    const staging = this.#images.staging(control);
    try {
      const inode = tree.lookupPath(from.path, { follow: from.asFolder });
      const type = from.asFolder && kindOf(tree, inode) !== 'folder' ? 'missing' : kindOf(tree, inode);
      if (type === 'missing' || type === 'special') throw refusal(type, from.text, '');
      const root = type === 'folder' ? '' : Buffer.from(from.name ?? '').toString('latin1');
      const part = { from: inode, name: root, doing: `Reading ${record.name},` };
      const { file } = await staging.write(treeTar(tree, part, control));
      const warnings: string[] = [];
      const { signal, progress } = control;
      await copyFromTar(file, type, from, to, {
        signal,
        onBytes: (bytes) => progress({ message: `Writing: ${(bytes / 1e6).toFixed(1)} MB` }),
        warn: (sentence) => warnings.push(sentence),
      });
      return { image: record.name, changed: false, rebooted: [], warnings };
    } finally {
      staging.dispose();
      tree.close();
    }
  }
}

async function layerOf(
  image: OpenImage,
  staging: Staging,
  { from, to, archive, source }: { from: ImageLocation; to: ImageLocation; archive: boolean; source: string },
): Promise<Derived | undefined> {
  checkLayerCount(image.record);
  const { tree } = image;
  const type = await kindOnHost(from);
  const look = (path: string, follow: boolean): PathType => {
    const behind = kindOf(tree, tree.lookupPath(path));
    if (follow && behind === 'folder') return behind;
    return kindOf(tree, tree.lookupPath(path, { follow: false }));
  };
  const { path } = targetOf(from, type, to, {
    itself: look(to.path, true),
    parent: look(parentOf(to.path), true),
    inside: look(insideOf(to, from.name), false),
  });
  const { layer } = await hostLayer(
    {
      ...{ source: from.path, isFolder: type === 'folder', archive },
      target: realPath(tree, path, type === 'folder'),
      inTheWay: (what, where) => refusal(what, `${image.record.name}:${where}`, from.text),
    },
    tree,
    staging,
  );
  if (layer === undefined) return undefined;
  const createdBy = `bootyard image cp ${source} ${to.text}`;
  return { config: withLayer(image.config, layer, createdBy), added: [layer] };
}

/** A path of an image without links on its way: relative, latin1 text. */
function realPath(tree: ImageTree, path: string, isFolder: boolean): string {
  const itself = tree.lookupPath(path);
  if (isFolder && itself !== 0 && tree.stat(itself).type === 'directory') return directoryPath(tree, itself);
  const parent = directoryPath(tree, tree.lookupPath(parentOf(path)));
  const name = Buffer.from(path.slice(path.lastIndexOf('/') + 1)).toString('latin1');
  return [parent, name].filter(Boolean).join('/');
}

function kindOf(tree: ImageTree, inode: number): PathType {
  if (inode === 0) return 'missing';
  const { type } = tree.stat(inode);
  if (type === 'directory') return 'folder';
  return type === 'file' ? 'file' : type === 'symlink' ? 'link' : 'special';
}

async function kindOnHost({ path, asFolder, text }: ImageLocation): Promise<PathType> {
  try {
    const found = await (asFolder ? stat(`${path}/.`) : lstat(path));
    if (found.isDirectory()) return 'folder';
    return found.isFile() ? 'file' : found.isSymbolicLink() ? 'link' : 'special';
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'missing';
    if (code === 'EACCES') throw new BootyardError('image.cp', `You may not read ${text}.`);
    throw error;
  }
}
