import { posix } from 'node:path';
import { shown } from '../../images/tar/tar-path.ts';
import { runLine } from './dockerfile.ts';
import type { Hit, Rule } from './finding.ts';
import type { LintImage } from './image.ts';

const noFolder: Rule = {
  id: 'boot.no-folder',
  severity: 'error',
  *check(image) {
    for (const { name, bootScript } of image.models) {
      if (image.type(`/boot/${name}`) === 'directory') continue;
      yield {
        path: `/boot/${name}`,
        message: `The image is labelled for ${name} and has no folder /boot/${name}: there is nothing for such a node to boot.`,
        fix: `Make /boot/${name} with ${bootScript}, kernel and initrd in it, or start from pc-x86-64-default.`,
      };
    }
  },
};

const noScript: Rule = {
  id: 'boot.no-script',
  severity: 'error',
  *check(image) {
    for (const { name, bootScript } of image.models) {
      const path = `/boot/${name}/${bootScript}`;
      if (image.type(`/boot/${name}`) !== 'directory' || image.isFile(path)) continue;
      yield {
        path,
        message: `The image has no ${path}, the script that ${name} nodes ask for first.`,
        fix: `Put the boot script ${bootScript} into /boot/${name}; the default images have one that fits most images.`,
        dockerfile: `COPY ${bootScript} ${path}`,
      };
    }
  },
};

const isScript = (head: Buffer): boolean => /^#!ipxe\s/.test(head.toString('latin1'));

function noShebang(path: string): Hit {
  return {
    path,
    message: `${shown(path)} does not begin with the line #!ipxe, so iPXE will not run it.`,
    fix: 'Make #!ipxe the first line of the script.',
  };
}

const badScript: Rule = {
  id: 'boot.bad-script',
  severity: 'error',
  async *check(image) {
    for (const { name, bootScript } of image.models) {
      const path = `/boot/${name}/${bootScript}`;
      const head = image.head(path, 16);
      if (bootScript.endsWith('.ipxe')) {
        if (image.isFile(path) && !isScript(head)) yield noShebang(path);
        yield* badScriptsBeside(image, name, path);
        continue;
      }
      if (head.length === 0 && !image.isFile(path)) continue;
      // Legacy image (include/image.h of U-Boot: magic, and type 6 for scripts at byte 30) or flattened tree.
      const magic = head.length >= 4 ? head.readUInt32BE(0) : 0;
      if (magic === 0x27051956 || magic === 0xd00dfeed) continue;
      yield {
        path,
        message: `${path} is not in U-Boot's format for scripts, so U-Boot will not run it.`,
        fix: `Make it of its text with mkimage -A arm64 -T script -C none -d start.txt ${bootScript}.`,
      };
    }
  },
};

/** Other scripts, which the first one chains; an empty one is tried and does nothing. */
async function* badScriptsBeside(image: LintImage, model: string, first: string): AsyncGenerator<Hit> {
  for await (const { path } of image.below(`/boot/${model}`)) {
    if (!path.endsWith('.ipxe') || path === first) continue;
    const head = image.head(Buffer.from(path, 'latin1'), 16);
    if (head.length > 0 && !isScript(head)) yield noShebang(path);
  }
}

const absoluteLink: Rule = {
  id: 'boot.absolute-link',
  severity: 'info',
  async *check(image) {
    for await (const { path, inode } of image.below('/boot')) {
      const target = Buffer.from(image.tree.linkTarget(inode)).toString('latin1');
      if (!target.startsWith('/')) continue;
      // A link to the folder that it is in is called so.
      const relative = posix.relative(posix.dirname(path), target) || '.';
      yield {
        path,
        message: `The link ${shown(path)} is absolute (${shown(target)}): file servers take /boot for their root, so each boot has to make it relative.`,
        fix: `Make it relative: ${shown(relative)}.`,
        dockerfile: runLine('ln -sfn', relative, path),
        // Behind a link on the way, .. would be another folder.
        ...(target.split('/').includes('..') ? {} : { repair: { do: 'link', path, target: relative } }),
      };
    }
  },
};

const danglingLink: Rule = {
  id: 'boot.dangling-link',
  severity: 'warning',
  async *check(image) {
    for await (const { path, inode } of image.below('/boot')) {
      const target = Buffer.from(image.tree.linkTarget(inode)).toString('latin1');
      if (target === '' || image.tree.lookupPath(Buffer.from(path, 'latin1')) !== 0) continue;
      yield {
        path,
        message: `The link ${shown(path)} leads to ${shown(target)}, which does not exist in the image.`,
        fix: 'Let it lead to a file that is there, or remove it.',
        dockerfile: runLine('rm', path),
      };
    }
  },
};

export const bootFolderRules: readonly Rule[] = [noFolder, noScript, badScript, absoluteLink, danglingLink];
