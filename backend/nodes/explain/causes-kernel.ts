import { type Cause, ofFinding } from './cause.ts';
import { type BootCase, fromConsole, fromFinding, fromMachine, fromRequest, fromSetting } from './facts.ts';

const PANIC = /Kernel panic - not syncing: ?(.*)$/;
const CUT_OFF =
  /Initramfs unpacking failed: (.*(truncated|premature|unexpected (end|EOF)|incomplete|read error).*)|unexpected EOF|(?:ZSTD|XZ|LZMA|LZ4)[^:]*(truncated)/;
const DAMAGED =
  /Initramfs unpacking failed: (.+)$|rootfs image is not initramfs \((.+?)\)|-compressed data is corrupt/;
const beforeRoot = (boot: BootCase): boolean => boot.isIn('boot files', 'kernel', 'root');
const initrd = (boot: BootCase): string => `${boot.bootFolder}/initrd of image ${boot.facts.image}`;
export const MAKE_ANEW =
  'make it anew (Debian: update-initramfs -u -k all), or leave it out of the image: Bootyard then makes one';

/** What is wrong with a kernel or an initrd, from the kernel's start to the mount of the root. */
export const kernelCauses: readonly Cause[] = [
  {
    id: 'kernel.truncated',
    title: 'the kernel file is cut off: shorter than its header says',
    explain(boot) {
      const finding = boot.finding('kernel.truncated');
      const kernel = boot.sent(/(^|\/)kernel$/);
      if (!boot.isIn('boot files') || !finding || !kernel) return undefined;
      return { ...ofFinding(finding), evidence: [...fromRequest(kernel), ...fromFinding(finding)] };
    },
  },
  {
    id: 'kernel.silent',
    title: 'the kernel was loaded and prints nothing: it is damaged, or has no console',
    explain(boot) {
      const kernel = boot.sent(/(^|\/)kernel$/);
      if (!boot.isIn('boot files') || !boot.is('stalled', 'rebooted') || !kernel || boot.unfinished())
        return undefined;
      if (boot.line(/^>>> Boot failed/)) return undefined;
      const { image, node } = boot.facts;
      return {
        why: `the kernel was sent whole (${kernel.bytes} bytes) and started, and does not print a line: ${boot.bootFolder}/kernel of image ${image} is damaged, or its console is not the serial line`,
        fix: `compare its checksum with that of its package and install it anew, or see that the boot script says console=ttyS0 ('bootyard node console ${node}' shows all there was)`,
        evidence: fromRequest(kernel),
      };
    },
  },
  {
    id: 'initrd.memory',
    title: 'the initrd does not fit into memory when the kernel unpacks it',
    explain(boot) {
      const line = boot.line(/Initramfs unpacking failed: write error|initramfs.*[Oo]ut of memory/);
      if (!beforeRoot(boot) || !line) return undefined;
      const { node, settings } = boot.facts;
      return {
        why: `the initrd does not fit into its ${settings.ram} of memory when it is unpacked`,
        fix: `give it more with 'bootyard node config ${node} ram=1G', or make the initrd smaller`,
        evidence: [...fromSetting('ram', settings.ram), ...fromConsole(line.input)],
      };
    },
  },
  {
    id: 'initrd.truncated',
    title: 'the initrd is cut off',
    explain: (boot) => badInitrd(boot, CUT_OFF, 'is cut off') ?? cutOffUnseen(boot),
  },
  {
    id: 'initrd.corrupt',
    title: 'the initrd is damaged',
    explain: (boot) => badInitrd(boot, DAMAGED, 'is damaged'),
  },
  {
    id: 'initrd.no-nic',
    title: 'the initrd has no driver for the network card',
    explain(boot) {
      const line = boot.line(
        /no network interface with address|modprobe: .*\b(virtio_net|virtio_pci)\b|No such device.*eth0/,
      );
      return missingModule(
        boot,
        line,
        ['virtio_net', 'virtio_pci'],
        'the driver of the network card',
        'kernel.no-network',
      );
    },
  },
  {
    id: 'initrd.no-nfs',
    title: 'the initrd has no NFS module',
    explain(boot) {
      const line = boot.line(
        /modprobe: .*\b(nfs|nfsv3)\b|mounting \S+:\/\S* on \/root failed: (?:No such device|Protocol not supported)|unknown filesystem type 'nfs'/,
      );
      return missingModule(boot, line, ['nfs', 'nfsv3'], 'NFS version 3', 'kernel.no-nfs');
    },
  },
  {
    id: 'initrd.no-walt',
    title: 'an initrd of initramfs-tools has no `scripts/walt`, which `boot=walt` asks for',
    explain(boot) {
      const line = boot.line(/can't open '?\/scripts\/walt'?|\/scripts\/walt: (No such file|not found)/);
      const finding = boot.finding('initrd.no-walt');
      if (!boot.isIn('kernel', 'root') || !(line || finding)) return undefined;
      return {
        why: `${initrd(boot)} is of initramfs-tools and has no scripts/walt, which the argument boot=walt asks for`,
        fix: finding
          ? ofFinding(finding).fix
          : 'take /etc/initramfs-tools/scripts/walt over from pc-x86-64-default and run update-initramfs -u -k all',
        evidence: [...fromConsole(line?.input), ...fromFinding(finding)],
      };
    },
  },
  {
    id: 'kernel.no-modules',
    title: 'the image has no modules for its kernel',
    explain(boot) {
      const { end } = boot.facts;
      const finding = boot.finding('kernel.no-modules', 'kernel.no-depmod');
      const isSaid =
        boot.is('not started') &&
        /^initrd\.(noModules|noDependencies|kernelRelease|missingModule)$/.test(end.code ?? '');
      if (!isSaid && !(beforeRoot(boot) && finding && boot.line(/modprobe|FATAL: Module/))) return undefined;
      return {
        why: finding ? ofFinding(finding).why : end.text.replace(/: .*$/, ''),
        fix: finding
          ? ofFinding(finding).fix
          : 'install the modules of this very kernel in the image, and run depmod in it',
        evidence: [...(isSaid ? fromMachine(end.text) : []), ...fromFinding(finding)],
      };
    },
  },
  {
    id: 'cmdline.no-nfsroot',
    title: 'the kernel arguments hold no `nfsroot=`',
    explain(boot) {
      const line = boot.line(
        /the kernel arguments hold no nfsroot=|No root device specified|VFS: Unable to mount root fs via NFS/,
      );
      if (!boot.isIn('kernel', 'root') || !line) return undefined;
      return {
        why: 'the kernel arguments hold no nfsroot=, so it does not know where its root is',
        fix: `let the boot script in ${boot.bootFolder} of image ${boot.facts.image} give nfsroot=\${next-server}:/var/lib/walt/nodes/\${mac}/fs, as start-generic.ipxe of the default images does`,
        evidence: fromConsole(line.input),
      };
    },
  },
  {
    id: 'cmdline.no-ip',
    title: 'the kernel arguments hold no `ip=`',
    explain(boot) {
      const line = boot.line(/the kernel arguments hold no ip=/);
      if (!boot.isIn('kernel', 'root') || !line) return undefined;
      return {
        why: 'the kernel arguments hold no ip=, so it has no address',
        fix: `let the boot script in ${boot.bootFolder} of image ${boot.facts.image} give ip=\${ip}:\${next-server}:…, as start-generic-2.ipxe of the default images does`,
        evidence: fromConsole(line.input),
      };
    },
  },
  {
    id: 'panic.no-root',
    title: 'kernel panic: it cannot mount its root',
    explain(boot) {
      const line = boot.line(
        /VFS: Unable to mount root fs on (.+?)( ---|$)|VFS: Cannot open root device "?(\S+?)"?[ ,]/,
      );
      if (!line || !boot.line(PANIC)) return undefined;
      const { image } = boot.facts;
      return {
        why: `the kernel found no root file system (${line[0].replace(/ ---$/, '')}): it ran without an initrd that mounts one, or with one that is no initrd`,
        fix: `see that the boot script loads ${boot.bootFolder}/initrd of image ${image} and says initrd=initrd, or leave the initrd out of the image: Bootyard then makes one`,
        evidence: fromConsole(line.input),
      };
    },
  },
  {
    id: 'kernel.stands-still',
    title: 'the kernel reports that a processor stands still',
    explain(boot) {
      const line = boot.line(/watchdog: BUG: soft lockup.*|rcu: INFO: \S+ (?:self-)?detected .*/);
      if (!boot.is('stalled', 'unreachable') || !line) return undefined;
      const { node, settings } = boot.facts;
      return {
        why: `its kernel reports that a processor stands still (${line[0].slice(0, 100)})`,
        fix: `the host is overloaded, or KVM does not work well: run fewer nodes, or try 'bootyard node config ${node} cpu.cores=1' or accel=tcg`,
        evidence: [...fromConsole(line.input), ...fromSetting('accel', settings.accel)],
      };
    },
  },
];

function badInitrd(boot: BootCase, pattern: RegExp, how: string) {
  const line = boot.line(pattern);
  if (!beforeRoot(boot) || !line) return undefined;
  const finding = boot.finding('initrd.unreadable');
  return {
    why: `the kernel could not unpack ${initrd(boot)}: it ${how}`,
    fix: MAKE_ANEW,
    evidence: [...fromConsole(line.input), ...fromFinding(finding)],
  };
}

/** Of an archive that is not compressed the kernel takes what there is, without a word. */
function cutOffUnseen(boot: BootCase) {
  const finding = boot.finding('initrd.unreadable');
  if (!boot.isIn('kernel') || !finding?.message.includes('cut off') || boot.line(DAMAGED)) return undefined;
  return {
    why: `the kernel unpacked only a part of ${initrd(boot)}: it is cut off`,
    fix: MAKE_ANEW,
    evidence: fromFinding(finding),
  };
}

/** A module that neither the kernel nor the initrd has: the initrd says so, or no initrd could be made. */
function missingModule(
  boot: BootCase,
  line: RegExpExecArray | undefined,
  modules: readonly string[],
  what: string,
  rule: string,
) {
  const { end, image } = boot.facts;
  const isOurs = modules.some((module) => new RegExp(`\\b${module}\\b`).test(end.text));
  const isUnmade = boot.is('not started') && end.code === 'initrd.missingModule' && isOurs;
  if (!isUnmade && !(beforeRoot(boot) && line)) return undefined;
  const finding =
    boot.finding(rule) ??
    boot.facts.findings.find(
      ({ rule: id, message }) =>
        id === 'initrd.modules' && modules.some((module) => message.includes(` no ${module}`)),
    );
  return {
    why: isUnmade
      ? `no initrd can be made for image ${image}, as ${end.text.replace(/\.$/, '')}`
      : `${initrd(boot)} has not ${what} (${modules.join(', ')})`,
    fix: isUnmade
      ? "install the kernel's modules in the image and run depmod in it, or put an initrd into it"
      : finding
        ? ofFinding(finding).fix
        : `put ${modules.join(' and ')} into it, or leave it out of the image: Bootyard then makes one`,
    evidence: [...(isUnmade ? fromMachine(end.text) : fromConsole(line?.input)), ...fromFinding(finding)],
  };
}
