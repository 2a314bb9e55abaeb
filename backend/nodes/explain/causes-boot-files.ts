import { type Cause, ofFinding } from './cause.ts';
import { type BootCase, fromConsole, fromFinding, fromRequest, fromSetting } from './facts.ts';

/** iPXE's code for an image or command that it cannot execute (its errno ENOEXEC). */
const EXEC_FORMAT =
  /Exec format error|ipxe\.org\/2e[0-9a-f]{6}|Wrong image format|Bad Linux ARM64 Image magic/;
/** iPXE's words for its errno ENOSPC, or ENOMEM, after what it fetches; its lines are broken after 80 characters. */
const NO_MEMORY = /(?:\.\.\.|%) +(?:No space left on device|Not enough space|Error 0x3[14]|Out of memory)/;
/** Scripts of the default images try these, and do without. */
const OPTIONAL = /(^|\/)(server-params|boot-params)\.ipxe$/;
const INITRD = /(^|\/)initr(d|amfs)[^/]*$/;
/** The kernel's words for that there is no root file system, as without an initrd. */
const NO_ROOT = /Unable to mount root fs|Cannot open root device/;
const isFetching = (boot: BootCase): boolean => boot.isIn('firmware', 'dhcp', 'boot files');
const name = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** What goes wrong with the files that a node fetches before its kernel runs. */
export const bootFileCauses: readonly Cause[] = [
  {
    id: 'script.missing',
    title: 'the boot script (`start.ipxe`, `start.uboot`) is missing in the image',
    explain(boot) {
      const refused = boot.refused(new RegExp(`(^|/)${boot.bootScript.replace('.', '\\.')}$`));
      if (!isFetching(boot) || !refused) return undefined;
      return {
        why: `the boot script was asked for and refused: ${refused.cause ?? 'it is missing'}`,
        fix: `put ${boot.bootScript} into ${boot.bootFolder} of image ${boot.facts.image} (the default images have one that fits most)`,
        evidence: [...fromRequest(refused), ...fromFinding(boot.finding('boot.no-script', 'boot.no-folder'))],
      };
    },
  },
  {
    id: 'kernel.missing',
    title: 'the kernel is missing in the image',
    explain(boot) {
      const refused = boot.refused(/(^|\/)(kernel|vmlinuz[^/]*|bzImage)$/);
      if (!isFetching(boot) || !refused) return undefined;
      return {
        why: `the kernel was asked for and refused: ${refused.cause ?? 'it is missing'}`,
        fix: `install a kernel in image ${boot.facts.image}, and let ${boot.bootFolder}/${name(refused.path)} be a link to it`,
        evidence: [...fromRequest(refused), ...fromFinding(boot.finding('kernel.missing'))],
      };
    },
  },
  {
    id: 'initrd.missing',
    title: 'the initrd that the boot script asks for is missing in the image',
    explain(boot) {
      const refused = boot.refused(INITRD);
      if (!refused || boot.isIn('walt-init', 'init', 'booted')) return undefined;
      const panic = boot.line(NO_ROOT);
      if (!isFetching(boot) && !panic) return undefined;
      const { image } = boot.facts;
      return {
        why: `the initrd was asked for and refused: ${refused.cause ?? 'it is missing'}${panic ? ', and the kernel cannot mount its root without one' : ''}`,
        fix: `put it into ${boot.bootFolder} of image ${image}, or let the script ask for ${boot.bootFolder}/initrd, which Bootyard makes when the image has none`,
        evidence: [...fromRequest(refused), ...fromConsole(panic?.input)],
      };
    },
  },
  {
    id: 'ipxe.unknown-command',
    title: 'the boot script has a command that iPXE does not know',
    explain(boot) {
      const line = boot.line(/^(\S+): command not found$/);
      if (!isFetching(boot) || !line) return undefined;
      const finding = boot.finding('ipxe.unknown-command');
      const where = finding ? ` of ${finding.path}` : ` of a script in ${boot.bootFolder}`;
      return {
        why: `the command ${line[1]}${where} is none that iPXE knows, and the script ends there`,
        fix: finding
          ? ofFinding(finding).fix
          : `correct it in image ${boot.facts.image} ('bootyard image lint ${boot.facts.image}' names the line)`,
        evidence: [...fromConsole(line.input), ...fromFinding(finding)],
      };
    },
  },
  {
    id: 'script.no-shebang',
    title: 'a boot script does not begin with `#!ipxe` (or is no U-Boot script)',
    explain(boot) {
      const line = boot.line(EXEC_FORMAT);
      const isKernelSent = boot.sent(/(^|\/)kernel$/) !== undefined;
      const script = boot.sent(/\.(ipxe|uboot)$/);
      if (!isFetching(boot) || isKernelSent || !script) return undefined;
      const finding = boot.facts.findings.find(
        (one) => one.rule === 'boot.bad-script' && name(one.path) === name(script.path),
      );
      if (!line && !finding) return undefined;
      const path = finding?.path ?? `${boot.bootFolder}/${name(script.path)}`;
      const isIpxe = path.endsWith('.ipxe');
      return {
        why: `${path} of image ${boot.facts.image} was fetched and not run as a script, because it ${isIpxe ? 'does not begin with the line #!ipxe' : "is not in U-Boot's format for scripts"}`,
        fix: finding ? ofFinding(finding).fix : 'make #!ipxe its first line',
        evidence: [...fromRequest(script), ...fromConsole(line?.input), ...fromFinding(finding)],
      };
    },
  },
  {
    id: 'kernel.architecture',
    title: 'the kernel is for another architecture, or in another format',
    explain(boot) {
      const line = boot.line(EXEC_FORMAT);
      const kernel = boot.sent(/(^|\/)kernel$/);
      const finding = boot.finding('kernel.architecture', 'kernel.format');
      if (!isFetching(boot) || !kernel || !(line || finding)) return undefined;
      const reason = finding
        ? ofFinding(finding)
        : {
            why: `${boot.bootFolder}/kernel is no kernel that this machine can start`,
            fix: `install one for ${boot.facts.model} in image ${boot.facts.image}`,
          };
      return {
        why: `the kernel was fetched and not started: ${reason.why}`,
        fix: reason.fix,
        evidence: [...fromRequest(kernel), ...fromConsole(line?.input), ...fromFinding(finding)],
      };
    },
  },
  {
    id: 'boot.memory',
    title: 'kernel and initrd do not fit into memory while iPXE loads them',
    explain(boot) {
      const line = boot.line(NO_MEMORY);
      const panic = boot.line(NO_ROOT);
      if (!(boot.isIn('boot files') || panic) || !line) return undefined;
      const { node, settings } = boot.facts;
      const after = panic ? ', and the kernel cannot mount its root without an initrd' : '';
      return {
        why: `kernel and initrd do not fit into its ${settings.ram} of memory${after}`,
        fix: `give it more with 'bootyard node config ${node} ram=1G', or make the initrd smaller`,
        evidence: [...fromSetting('ram', settings.ram), ...fromConsole(line.input)],
      };
    },
  },
  {
    id: 'boot.file-missing',
    title: 'another file that the boot script asks for is missing in the image',
    explain(boot) {
      const refused = boot.facts.events.findLast(
        (event) =>
          (event.kind === 'tftp' || event.kind === 'http') &&
          event.phase === 'refused' &&
          !OPTIONAL.test(event.path) &&
          !/(^|\/)initrd$/.test(event.path),
      );
      if (!isFetching(boot) || (refused?.kind !== 'tftp' && refused?.kind !== 'http')) return undefined;
      return {
        why: `${refused.path} was asked for by ${refused.kind.toUpperCase()} and refused: ${refused.cause ?? 'it is missing'}`,
        fix: `put it into ${boot.bootFolder} of image ${boot.facts.image}, or correct the path in the boot script`,
        evidence: fromRequest(refused),
      };
    },
  },
  {
    id: 'boot.transfer-broke',
    title: 'the transfer of a boot file broke off',
    explain(boot) {
      // The scripts of the default images start the kernel without an initrd that does not come.
      const panic = boot.line(NO_ROOT);
      const broken = isFetching(boot) ? boot.unfinished() : panic && boot.brokenOff(INITRD);
      if (broken?.cause === undefined) return undefined;
      const after = panic ? ', and the kernel cannot mount its root without it' : '';
      return {
        why: `the transfer of ${broken.path} by ${broken.kind.toUpperCase()} broke off after ${broken.bytes} bytes (${broken.cause})${after}`,
        fix: `boot it again with 'bootyard node boot ${boot.facts.node}'; if it breaks off each time, see 'bootyard doctor' for the lab's network`,
        evidence: [...fromRequest(broken), ...fromConsole(panic?.input)],
      };
    },
  },
];

/** For what nothing more is known of: the first stage, too, says so of whatever kept it from its script. */
export const scriptFailedCause: Cause = {
  id: 'script.failed',
  title: 'the boot script gave up with a message of its own',
  explain(boot) {
    const line = boot.line(/^>>> Boot failed: (.+)$/);
    if (!isFetching(boot) || !line) return undefined;
    const code = boot.line(/\(?(https?:\/\/ipxe\.org\/[0-9a-f]{8})\)?/);
    return {
      why: `the boot script gave up: ${(line[1] ?? '').replace(/\.$/, '')}`,
      fix: `see the scripts in ${boot.bootFolder} of image ${boot.facts.image}${code?.[1] ? ` and iPXE's page ${code[1]}` : ''}`,
      evidence: [...fromConsole(code?.input), ...fromConsole(line.input)],
    };
  },
};
