import { type Cause, ofFinding } from './cause.ts';
import { type BootCase, fromConsole, fromFinding, fromMachine, fromRequest, fromSetting } from './facts.ts';

/** The last line of a boot that our scripts break off. */
const STEP = /^>>> The step "(.+?)" of (\S+) failed \(exit code (\d+)\)/;
const isOnRoot = (boot: BootCase): boolean => boot.isIn('kernel', 'root', 'walt-init');

/** The mount of the root by NFS, and what walt-init does on it. */
export const rootCauses: readonly Cause[] = [
  {
    id: 'nfs.refused',
    title: 'NFS: the server refused the mount of the root',
    explain(boot) {
      const refused = boot.mounts.findLast(({ ok, path }) => !ok && !path.endsWith('/persist'));
      if (!boot.isIn('kernel', 'root') || !refused) return undefined;
      return {
        why: `the mount of ${refused.path} was refused: ${refused.cause ?? 'it is not exported'}`,
        fix: `let nfsroot= in the boot script of image ${boot.facts.image} name \${next-server}:/var/lib/walt/nodes/\${mac}/fs`,
        evidence: fromRequest(refused),
      };
    },
  },
  {
    id: 'nfs.stale',
    title: 'NFS: the server no longer knows the root of this boot (stale file handle)',
    explain(boot) {
      const { end, node } = boot.facts;
      const line = boot.line(/[Ss]tale (NFS )?file handle|walt-fs-watchdog: the root file system is gone.*/);
      const isGone = end.text.startsWith('Its boot plan is gone');
      if (!line && !isGone) return undefined;
      return {
        why: `the server no longer knows its root file system${isGone ? ' (its boot plan is gone)' : ' (stale file handle)'}, so nothing of it can be read`,
        fix: `boot it anew with 'bootyard node reboot --hard ${node}'`,
        evidence: line ? fromConsole(line.input) : [{ kind: 'file', text: 'plan.json of the node' }],
      };
    },
  },
  {
    id: 'nfs.silent',
    title: 'NFS: the server does not answer, or too slowly',
    explain(boot) {
      const line = boot.line(/nfs: server (\S+) (not responding|OK).*/);
      if (line?.[2] !== 'not responding' || !boot.is('stalled', 'rebooted', 'unreachable')) return undefined;
      const { settings, node } = boot.facts;
      return {
        why: `the NFS server ${line[1]} does not answer it, so its root file system stands still`,
        fix: `see its link (setting networks) and 'bootyard lab status'; it goes on when the server answers, or reboot it with 'bootyard node reboot --hard ${node}'`,
        evidence: [...fromConsole(line.input), ...fromSetting('networks', settings.networks)],
      };
    },
  },
  {
    id: 'nfs.no-mount',
    title: 'NFS: the root could not be mounted at all',
    explain(boot) {
      const line = boot.line(
        /mounting (\S+:\/\S*) on \/root failed: (.+)$|(\S+:\/\S+) could not be mounted in \d+ seconds/,
      );
      if (!boot.isIn('kernel', 'root') || !line) return undefined;
      return {
        why: `its root ${line[1] ?? line[3]} could not be mounted${line[2] ? ` (${line[2]})` : ''}`,
        fix: `see that nfsroot= in the boot script of image ${boot.facts.image} names \${next-server}:/var/lib/walt/nodes/\${mac}/fs and its options hold vers=3`,
        evidence: fromConsole(line.input),
      };
    },
  },
  {
    id: 'busybox.missing',
    title: '`/bin/busybox` is missing in the image, or cannot run',
    explain(boot) {
      const { end, image } = boot.facts;
      const finding = boot.finding('busybox.missing', 'busybox.architecture', 'busybox.libraries');
      const line = boot.line(
        /can't execute '?\/bin\/walt-init'?: .+|Failed to execute \/bin\/walt-init.*|Requested init \/bin\/walt-init failed.*/,
      );
      const isUnmade = boot.is('not started') && /^initrd\.(noBusybox|missingLibrary)$/.test(end.code ?? '');
      // After an initrd's own /init that does not run, the kernel looks for init= in the initrd.
      const isInInitrd = boot.line(/Failed to execute \/init\b/) !== undefined;
      if (!isUnmade && !(isOnRoot(boot) && line && !isInInitrd)) return undefined;
      const reason = finding
        ? ofFinding(finding)
        : {
            why: `image ${image} has no /bin/busybox that runs`,
            fix: 'install the package busybox-static in the image',
          };
      return {
        why: line ? `walt-init could not be run: ${reason.why}` : reason.why,
        fix: reason.fix,
        evidence: [...(isUnmade ? fromMachine(end.text) : fromConsole(line?.input)), ...fromFinding(finding)],
      };
    },
  },
  {
    id: 'busybox.applet',
    title: "the image's busybox lacks a command that the boot needs",
    explain(boot) {
      const line = boot.line(/(?:^|: )([\w[.+-]+): applet not found/);
      if (!boot.isIn('kernel', 'root', 'walt-init', 'init') || !line) return undefined;
      const finding = boot.finding('busybox.applets', 'busybox.applets-more');
      return {
        why: `/bin/busybox of image ${boot.facts.image} has no ${line[1]}, which the boot needs${atStep(boot)}`,
        fix: 'install the package busybox-static in the image, which has all of them',
        evidence: [...fromConsole(line.input), ...fromFinding(finding)],
      };
    },
  },
  {
    id: 'root.no-overlay',
    title: 'the kernel has no overlay file system, which makes the root writable',
    explain(boot) {
      const line = boot.line(
        /mounting union on \S+ failed: (No such device|Invalid argument)|unknown filesystem type 'overlay/,
      );
      if (!isOnRoot(boot) || !line) return undefined;
      const finding = boot.finding('kernel.no-overlay', 'kernel.no-modules', 'kernel.no-depmod');
      return {
        why: `the kernel has no overlay file system (module overlay), with which the root is made writable${atStep(boot)}`,
        fix: finding
          ? ofFinding(finding).fix
          : `put overlay.ko of this kernel into /lib/modules of image ${boot.facts.image} and run depmod there, or take a kernel with CONFIG_OVERLAY_FS`,
        evidence: [...fromConsole(line.input), ...fromFinding(finding)],
      };
    },
  },
  {
    id: 'root.no-init',
    title: 'the image has no `/sbin/init`, or one that cannot run',
    explain(boot) {
      const line = boot.line(
        /\/sbin\/init: (not found|No such file.*|Permission denied|Exec format error|cannot execute.*)|can't execute '?\/sbin\/init'?.*/,
      );
      if (!boot.isIn('walt-init', 'init') || !line) return undefined;
      const finding = boot.finding('init.missing', 'init.loader');
      return {
        why: `/sbin/init of image ${boot.facts.image} could not be started (${(line[1] ?? line[0]).toLowerCase()})${finding ? `: ${ofFinding(finding).why}` : ''}`,
        fix: finding ? ofFinding(finding).fix : 'install an init system in the image (Debian: systemd-sysv)',
        evidence: [...fromConsole(line.input), ...fromFinding(finding)],
      };
    },
  },
  {
    id: 'clock',
    title: "the node's clock could not be set from the server's",
    explain(boot) {
      const line = boot.line(/The server's clock could not be read.*/);
      if (!boot.isIn('root', 'walt-init') || !line) return undefined;
      return {
        why: "its clock could not be set: the server's RPC service (TCP 12345) gave no time in 5 attempts",
        fix: "see 'bootyard lab status' and that nothing between keeps TCP port 12345 from the node, then boot it again",
        evidence: fromConsole(line.input),
      };
    },
  },
  {
    id: 'preinit.failed',
    title: "the image's own `/bin/walt-preinit` failed",
    explain(boot) {
      const line = boot.line(STEP);
      if (!boot.isIn('root', 'walt-init') || !line?.[1]?.startsWith('Calling /bin/walt-preinit'))
        return undefined;
      return {
        why: `/bin/walt-preinit of image ${boot.facts.image} ended with exit code ${line[3]}, which ends the boot`,
        fix: 'correct that script of the image, or let it end with exit 0',
        evidence: fromConsole(line.input),
      };
    },
  },
  {
    id: 'root.no-folder',
    title: 'the root has not the folders that a boot mounts things on',
    explain(boot) {
      const line = boot.line(/the root file system has no folder (\/\w+)/);
      if (!isOnRoot(boot) || !line) return undefined;
      return {
        why: `the root file system of image ${boot.facts.image} has no folder ${line[1]}`,
        fix: `make it in the image (RUN mkdir -p ${line[1]})`,
        evidence: fromConsole(line.input),
      };
    },
  },
];

/** For what nothing more is known of than the step that failed. */
export const stepCause: Cause = {
  id: 'step.failed',
  title: 'another step of the boot failed',
  explain(boot) {
    const line = boot.line(STEP);
    const initrd = boot.line(/^>>> initrd: (.+)$/);
    const { node } = boot.facts;
    if (!boot.isIn('kernel', 'root', 'walt-init', 'init') || !(line ?? initrd)) return undefined;
    return {
      why: line
        ? `the step "${line[1]}" of ${line[2]} failed with exit code ${line[3]}`
        : `the initrd gave up: ${initrd?.[1]}`,
      fix: `see the lines before it with 'bootyard node console ${node}'`,
      evidence: fromConsole((line ?? initrd)?.input),
    };
  },
};

function atStep(boot: BootCase): string {
  const step = boot.line(STEP)?.[1]?.replace(/\.{3}$/, '');
  return step === undefined ? '' : `, in the step "${step}"`;
}
