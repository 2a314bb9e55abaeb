import { bzImageSize, KERNEL_HEAD } from '../kernel-file.ts';
import { shown } from '../../images/tar/tar-path.ts';
import type { NodeModel } from '../models.ts';
import { initrdLine } from './dockerfile.ts';
import type { Hit, Rule } from './finding.ts';
import type { LintImage } from './image.ts';
import type { KernelFacts } from './kernel-facts.ts';

/** Models whose boot folder is there: without it one finding says all. */
function* kernels(image: LintImage): Generator<{ model: NodeModel; kernel: KernelFacts }> {
  for (const model of image.models) {
    if (image.type(`/boot/${model.name}`) === 'directory') yield { model, kernel: image.kernel(model) };
  }
}

const missing: Rule = {
  id: 'kernel.missing',
  severity: 'error',
  *check(image) {
    for (const { model, kernel } of kernels(image)) {
      if (image.isFile(kernel.path)) continue;
      const [release, ...others] = image.names('/lib/modules');
      const isKnown =
        release !== undefined && /^[\w.+~-]+$/.test(release) && image.isFile(`/boot/vmlinuz-${release}`);
      const target = `../vmlinuz-${release}`;
      yield {
        path: kernel.path,
        message: `The image has no kernel at ${kernel.path}, which the boot script of ${model.name} nodes loads.`,
        fix: 'Install a kernel in the image, and let a relative link in the boot folder lead to it.',
        ...(isKnown ? { dockerfile: `RUN ln -sfn ${target} ${kernel.path}` } : {}),
        ...(isKnown && others.length === 0 && image.type(kernel.path) === undefined
          ? { repair: { do: 'link', path: kernel.path, target } }
          : {}),
      };
    }
  },
};

const format: Rule = {
  id: 'kernel.format',
  severity: 'error',
  *check(image) {
    for (const { model, kernel } of kernels(image)) {
      if (!image.isFile(kernel.path)) continue;
      const isArm = model.architecture === 'arm64';
      const wanted = isArm ? 'Image' : 'bzImage';
      const found = kernel.kind?.format;
      // A script of the image's own may start U-Boot's containers with bootm.
      if (found === wanted || (isArm && (found === 'uImage' || found === 'FIT'))) continue;
      // What is a kernel of another machine is said by kernel.architecture.
      if (found === 'Image' || found === 'bzImage' || found === 'zImage') continue;
      const what = found === undefined ? 'is no kernel that is known here' : `is packed as ${found}`;
      yield {
        path: kernel.path,
        message: `${kernel.path} ${what}: ${isArm ? "U-Boot's booti takes an uncompressed Image" : 'iPXE takes a bzImage'}.`,
        fix: isArm
          ? 'Put the unpacked kernel there (arch/arm64/boot/Image of a build, or zcat of a compressed one).'
          : "Put the kernel's bzImage there (the vmlinuz of a distribution, arch/x86/boot/bzImage of a build).",
      };
    }
  },
};

const truncated: Rule = {
  id: 'kernel.truncated',
  severity: 'error',
  *check(image) {
    for (const { kernel } of kernels(image)) {
      const wanted = bzImageSize(image.head(kernel.path, KERNEL_HEAD)) ?? 0;
      const size = image.size(kernel.path);
      if (size >= wanted) continue;
      yield {
        path: kernel.path,
        message: `${kernel.path} is cut off: it has ${size} bytes, and ${wanted} by its own header.`,
        fix: 'Copy the kernel into the image anew, or install its package again.',
      };
    }
  },
};

const architecture: Rule = {
  id: 'kernel.architecture',
  severity: 'error',
  *check(image) {
    for (const { model, kernel } of kernels(image)) {
      const found = kernel.kind?.architecture;
      if (found === undefined || found === model.architecture) continue;
      yield {
        path: kernel.path,
        message: `${kernel.path} is a kernel for ${found}, and ${model.name} nodes are ${model.architecture}.`,
        fix: `Install the kernel of ${model.architecture}; build the image with --platform linux/${model.architecture}.`,
      };
    }
  },
};

const modulesMissing: Rule = {
  id: 'kernel.no-modules',
  severity: 'warning',
  async *check(image) {
    for (const { kernel } of kernels(image)) {
      const folder = await kernel.moduleFolder();
      if (folder === undefined || image.type(folder) === 'directory') continue;
      const others = image.names('/lib/modules').slice(0, 3).map(shown).join(', ');
      yield {
        path: folder,
        message: `The image has no ${folder} for its kernel ${kernel.path}${others ? ` (there is ${others})` : ''}: what is not built in cannot be loaded.`,
        fix: 'Install the modules of this very kernel, or let the boot folder lead to the kernel whose modules are there.',
      };
    }
  },
};

const noDependencies: Rule = {
  id: 'kernel.no-depmod',
  severity: 'error',
  async *check(image) {
    for (const { kernel } of kernels(image)) {
      const folder = await kernel.moduleFolder();
      if (folder === undefined || image.names(`${folder}/kernel`).length === 0) continue;
      if (image.size(`${folder}/modules.dep`) > 0) continue;
      yield {
        path: `${folder}/modules.dep`,
        message: `${folder}/modules.dep is missing or empty, so modprobe finds none of the modules.`,
        fix: 'Run depmod in the image.',
        dockerfile: `RUN depmod ${folder.slice('/lib/modules/'.length)}`,
      };
    }
  },
};

/** A part of the kernel that every node needs, by its modules. */
interface Need {
  id: string;
  modules: readonly string[];
  what: string;
  option: string;
}
const NEEDS: readonly Need[] = [
  {
    id: 'overlay',
    modules: ['overlay'],
    what: 'the overlay file system, which makes the root writable',
    option: 'CONFIG_OVERLAY_FS',
  },
  {
    id: 'nfs',
    modules: ['nfs', 'nfsv3'],
    what: 'NFS version 3, from which the root is mounted',
    option: 'CONFIG_NFS_FS and CONFIG_NFS_V3',
  },
  {
    id: 'network',
    modules: ['virtio_net', 'virtio_pci'],
    what: "the driver of a virtual node's network card",
    option: 'CONFIG_VIRTIO_NET and CONFIG_VIRTIO_PCI',
  },
];

function lacking({ id, modules, what, option }: Need): Rule {
  return {
    id: `kernel.no-${id}`,
    severity: 'error',
    async *check(image) {
      for (const { kernel } of kernels(image)) {
        const found = await Promise.all(modules.map((module) => kernel.find(module)));
        const gone = modules.filter((_, at) => isNowhere(found[at]));
        if (gone.length > 0) {
          yield {
            path: kernel.path,
            message: `The kernel ${(await kernel.release()) ?? ''} has no ${gone.join(', no ')}: ${what}.`,
            fix: `Use a kernel with ${option}, built in or as modules (Debian's linux-image-cloud-amd64 has them).`,
          };
        }
      }
    },
  };
}

function isNowhere(places: Awaited<ReturnType<KernelFacts['find']>>): boolean {
  return places !== undefined && !places.builtIn && !places.root && places.initrd === false;
}

const initrdModules: Rule = {
  id: 'initrd.modules',
  severity: 'error',
  async *check(image) {
    for (const { kernel } of kernels(image)) {
      const needed = NEEDS.filter(({ id }) => id !== 'overlay').flatMap(({ modules }) => modules);
      if (!(await kernel.initrd())) continue;
      const left: string[] = [];
      for (const module of needed) {
        const places = await kernel.find(module);
        // overlay is loaded from the root; what is nowhere at all has a finding of its own.
        if (places && !places.builtIn && places.root && places.initrd === false) left.push(module);
      }
      if (left.length > 0) yield initrdLacks(image, kernel.initrdPath, left);
    }
  },
};

function initrdLacks(image: LintImage, path: string, modules: readonly string[]): Hit {
  const lines = modules.map((module) => String.raw`${module}\n`).join('');
  return {
    path,
    message: `The initrd ${path} has no ${modules.join(', no ')}, which this kernel has as modules only: it cannot reach the root.`,
    fix: 'Put the modules into the initrd (Debian: /etc/initramfs-tools/modules, then update-initramfs -u -k all), or leave the initrd out: Bootyard then makes one.',
    dockerfile: initrdLine(image, `printf '${lines}' >> /etc/initramfs-tools/modules`),
  };
}

const initrdWithoutWalt: Rule = {
  id: 'initrd.no-walt',
  severity: 'error',
  async *check(image) {
    for (const { kernel } of kernels(image)) {
      const initrd = await kernel.initrd();
      // Debian's initramfs-tools reads scripts/$boot, and the boot argument is boot=walt.
      if (!initrd || initrd.problem !== undefined || !initrd.names.has('scripts/functions')) continue;
      if (initrd.names.has('scripts/walt')) continue;
      yield {
        path: kernel.initrdPath,
        message: `The initrd ${kernel.initrdPath} is of initramfs-tools and has no scripts/walt: it stops at boot=walt.`,
        fix: 'Take /etc/initramfs-tools/scripts/walt over from pc-x86-64-default and run update-initramfs -u -k all, or leave the initrd out: Bootyard then makes one.',
        dockerfile: `RUN rm ${kernel.initrdPath}`,
      };
    }
  },
};

const initrdUnreadable: Rule = {
  id: 'initrd.unreadable',
  severity: 'info',
  async *check(image) {
    for (const { kernel } of kernels(image)) {
      const problem = (await kernel.initrd())?.problem;
      if (problem === undefined) continue;
      yield {
        path: kernel.initrdPath,
        message: `What the initrd ${kernel.initrdPath} holds was not checked: ${problem}.`,
        fix: 'Compress it with zstd, gzip, xz or lz4 (COMPRESS in /etc/initramfs-tools/initramfs.conf), or make it anew if it is damaged.',
      };
    }
  },
};

const initrdMissing: Rule = {
  id: 'initrd.missing',
  severity: 'info',
  *check(image) {
    for (const { kernel } of kernels(image)) {
      if (!image.isFile(kernel.path) || image.tree.lookupPath(kernel.initrdPath) !== 0) continue;
      yield {
        path: kernel.initrdPath,
        message: `The image has no ${kernel.initrdPath}: Bootyard makes one at each boot, a WalT server does not.`,
        fix: 'Put an initrd there for use on a WalT platform, unless the kernel has NFS and the network card built in.',
      };
    }
  },
};

export const kernelRules: readonly Rule[] = [
  missing,
  format,
  truncated,
  architecture,
  modulesMissing,
  noDependencies,
]
  .concat(NEEDS.map((need) => lacking(need)))
  .concat([initrdModules, initrdWithoutWalt, initrdUnreadable, initrdMissing]);
