import { MAX_SELF_REBOOTS } from '../parts.ts';
import { type Cause, clause, ofFinding } from './cause.ts';
import { type BootCase, fromConsole, fromFinding, fromMachine, fromRequest, fromSetting } from './facts.ts';

const runs = (boot: BootCase): boolean => boot.isIn('walt-init', 'init', 'booted');
const isOnDisk = (boot: BootCase): boolean =>
  boot.line(/(Detected|Using) boot-mode: (hybrid|network-persistent)/) !== undefined;

/** The disks of a node, and what is written over the image. */
export const spaceCauses: readonly Cause[] = [
  {
    id: 'hybrid.no-room',
    title: 'hybrid boot: no room on the disk for the copy of the image',
    explain(boot) {
      const { end, node, settings } = boot.facts;
      if (boot.is('given up') && end.text.startsWith('No room on ')) {
        const [why = '', fix = ''] = end.text.replace(/\.$/, '').split(': ');
        return { why: why.replace(/^No/, 'no'), fix, evidence: fromMachine(end.text) };
      }
      const line = boot.line(/^(\w+): not enough room for copying new image/);
      if (!line) return undefined;
      return {
        why: `the image was not copied to its disk, as there is not enough room on ${line[1]}, so hybrid boot is not possible`,
        fix: `give the node a larger disk ('bootyard node config ${node} disks=32G[template=hybrid-boot-v]' and 'bootyard node disk remove'), or remove copies of other images from it`,
        evidence: [...fromConsole(line.input), ...fromSetting('disks', settings.disks)],
      };
    },
  },
  {
    id: 'hybrid.copy-failed',
    title: 'hybrid boot: the copy of the image is wrong, or broke off again and again',
    explain(boot) {
      const { end, node } = boot.facts;
      const isWrong = boot.is('given up') && end.text.includes('is wrong after a second try');
      const line = boot.line(
        /^>>> The (?:copy of the image (broke off 6 times)|files that the server adds to the image (could not be fetched))/,
      );
      const lastStep = boot.line(/^\*\*\* (.+?) *\*\*\*$/);
      const isStill = boot.is('stalled') && lastStep?.[1] === 'Copying image to local disk...';
      if (!isWrong && !line && !isStill) return undefined;
      const what = line?.[2]
        ? 'the files that the server adds to the image'
        : 'the copy of the image to its disk';
      return {
        why: isWrong
          ? `${clause(end.text.replace(/: is the disk damaged\?$/, ''))}, as on a damaged disk`
          : `${what} ${line?.[1] ?? line?.[2] ?? 'stands still'}`,
        fix: isWrong
          ? `make the disk anew ('bootyard node disk remove'), then 'bootyard node boot ${node}'`
          : `see its link (setting networks) and 'bootyard lab status', then 'bootyard node reboot --hard ${node}'`,
        evidence: isWrong ? fromMachine(end.text) : fromConsole((line ?? lastStep)?.input),
      };
    },
  },
  {
    id: 'hybrid.not-possible',
    title: 'hybrid boot or kept changes are set, and not possible on its disks',
    explain(boot) {
      const { settings, node } = boot.facts;
      const isWanted = /^(hybrid|network-persistent)/.test(settings['boot.mode']);
      const line = boot.line(
        /^Note: (no hybrid boot, .+|boot\.mode=network-persistent, but .+|.+walt_hybrid, with an underscore|.+ would discard what it keeps).?$|^(\w+: not (?:an ext4 partition|ext4-mountable|configured for hybrid mode).*)$|^(Falling back to default boot mode: .+)$/,
      );
      if (
        !isWanted ||
        !line ||
        !boot.line(/^Falling back to default boot mode|^Note: boot.mode=network-persistent, but/)
      )
        return undefined;
      const why = boot.line(
        /^Note: (?:no hybrid boot, .+|boot\.mode=.+|.+underscore.*|.+discard.+)$|^\w+: not (?:an ext4|ext4-m|configured).*$/,
      );
      return {
        why: `boot.mode=${settings['boot.mode']} is not possible (${(why?.[0] ?? 'no partition can be used for it').replace(/^Note: /, '').replace(/\.$/, '')}), and it boots over the network`,
        fix: `give it a disk for that ('bootyard node config ${node} disks=32G[template=hybrid-boot-v]'), or set boot.mode=auto`,
        evidence: [
          ...fromSetting('boot.mode', settings['boot.mode']),
          ...fromSetting('disks', settings.disks),
          ...fromConsole(why?.input ?? line.input),
        ],
      };
    },
  },
  {
    id: 'disk.full',
    title: "the node's disk is full",
    explain(boot) {
      const line = boot.line(/No space left on device/);
      if (!line || !runs(boot) || boot.is('booted') || !isOnDisk(boot)) return undefined;
      const { node, settings } = boot.facts;
      return {
        why: 'its disk, to which changes of the image are written, is full',
        fix: `remove copies of images that it does not need ('bootyard node disk show ${node}'), or make the disk larger (setting disks)`,
        evidence: [...fromConsole(line.input), ...fromSetting('disks', settings.disks)],
      };
    },
  },
  {
    id: 'overlay.full',
    title: 'the overlay in RAM, to which changes of the image are written, is full',
    explain(boot) {
      const line = boot.line(/No space left on device/);
      if (!line || !runs(boot) || boot.is('booted') || isOnDisk(boot)) return undefined;
      const { node, settings } = boot.facts;
      return {
        why: `what it wrote over its image fills half of its ${settings.ram} of memory, which is all the room there is`,
        fix: `give it more with 'bootyard node config ${node} ram=2G', write to /persist, or let it have a disk (boot.mode=network-persistent)`,
        evidence: [...fromConsole(line.input), ...fromSetting('ram', settings.ram)],
      };
    },
  },
];

/** The image's own system, from its init to a node that is booted. */
export const systemCauses: readonly Cause[] = [
  {
    id: 'init.emergency',
    title: "the image's systemd stopped in emergency mode",
    explain(boot) {
      const line = boot.line(/You are in emergency mode|Entering emergency mode/);
      if (!boot.isIn('init') || !line) return undefined;
      // A file system, mostly: what needs it, such as sshd, fails with it.
      const unit =
        boot.line(/\[FAILED\] Failed to mount (.+)/) ??
        boot.line(/\[DEPEND\] Dependency failed for ((?:\S+\.mount - )?\/.+)/) ??
        boot.line(/\[FAILED\] Failed to start (.+)/);
      return {
        why: `systemd of image ${boot.facts.image} stopped in emergency mode${unit ? `, as ${(unit[1] ?? '').replace(/\.$/, '')} failed` : ''}`,
        fix: `remove or correct what fails (often a line of /etc/fstab, which a node does not need), or mark it nofail`,
        evidence: [...fromConsole(unit?.input), ...fromConsole(line.input)],
      };
    },
  },
  {
    id: 'network.cut-by-init',
    title: "the image's init takes the network away (the root is on it)",
    explain(boot) {
      if (!boot.isIn('init') || boot.facts.ssh !== 'silent' || Object.keys(boot.restrictions).length > 0)
        return undefined;
      const { image, node } = boot.facts;
      return {
        why: `the node stopped to answer on the network after /sbin/init of image ${image} began, and its root is on that network`,
        fix: `let nothing in the image bring its network card down or give it another address (ifupdown, NetworkManager, systemd-networkd: leave the first card as it is); 'bootyard node console ${node}' still works`,
        evidence: [{ kind: 'request', text: 'TCP port 22 of the node: no answer at all' }],
      };
    },
  },
  {
    id: 'ssh.not-up',
    title: 'no ssh server listens on port 22, which a booted node has',
    explain(boot) {
      const { image, ssh, node } = boot.facts;
      if (!boot.isIn('init') || !boot.is('stalled') || ssh !== 'closed') return undefined;
      const finding = boot.finding('ssh.missing', 'ssh.disabled');
      const failed = boot.line(/\[FAILED\] Failed to start (.*(?:ssh|dropbear).*)/i);
      return {
        why: `the init of image ${image} runs, and no ssh server listens on port 22${finding ? `: ${ofFinding(finding).why}` : ''}`,
        fix: finding
          ? ofFinding(finding).fix
          : `let the image start one (openssh-server or dropbear); 'bootyard node console ${node}' shows how far its init is`,
        evidence: [
          { kind: 'request', text: 'TCP port 22 of the node: connection refused' },
          ...fromConsole(failed?.input),
          ...fromFinding(finding),
        ],
      };
    },
  },
  {
    id: 'agent.silent',
    title: 'ssh is up, and the node never says that it is booted',
    explain(boot) {
      const { image, ssh } = boot.facts;
      if (!boot.isIn('init') || !boot.is('stalled') || (ssh !== 'open' && ssh !== 'refused'))
        return undefined;
      return {
        why: 'its ssh server is up, and the node has not said that it is booted (TCP 12347 of the server)',
        fix: `see that nothing in image ${image} ends walt-notify-bootup or keeps it from the server (a firewall, another address), and that /bin/on-bootup ends if there is one`,
        evidence: [{ kind: 'request', text: 'TCP port 22 of the node: it listens' }],
      };
    },
  },
  {
    id: 'ssh.key-refused',
    title: "the node is booted, and its ssh server refuses the lab's key",
    explain(boot) {
      const { image, ssh } = boot.facts;
      if (!boot.is('booted') || ssh !== 'refused') return undefined;
      const finding = boot.finding('ssh.root-login', 'ssh.root-shell');
      const reason = finding
        ? ofFinding(finding)
        : {
            why: 'its configuration does not let root in by key, or /root is not owned by root alone',
            fix: 'allow root logins by key (PermitRootLogin prohibit-password; dropbear without -w), with mode 700 for /root and /root/.ssh',
          };
      return {
        why: `the ssh server of image ${image} refuses the lab's key for root, so shells, commands and copies do not work: ${reason.why}`,
        fix: reason.fix,
        evidence: [
          { kind: 'request', text: 'ssh root@node: Permission denied (publickey)' },
          ...fromFinding(finding),
        ],
      };
    },
  },
  {
    id: 'agent.lost',
    title: 'a booted node is not heard of any more',
    explain(boot) {
      if (!boot.is('unreachable')) return undefined;
      const { node, ssh } = boot.facts;
      const state =
        ssh === 'open' || ssh === 'refused'
          ? 'its ssh server still answers'
          : 'its ssh server does not answer either';
      return {
        why: `${boot.facts.end.text}, and ${state}`,
        fix:
          ssh === 'open' || ssh === 'refused'
            ? 'walt-notify-bootup was ended in the node: reboot it'
            : `look at 'bootyard node console ${node}', or reboot it with 'bootyard node reboot --hard ${node}'`,
        evidence: [{ kind: 'request', text: `TCP port 22 of the node: ${ssh ?? 'not asked'}` }],
      };
    },
  },
];

/** What is said when nothing before fits: of a node that reboots by itself. */
export const rebootCauses: readonly Cause[] = [
  {
    id: 'reboot.own',
    title: 'the system of the node restarted it',
    explain(boot) {
      const line = boot.line(/reboot: (Restarting system.*|machine restart)|sysrq: .*(?:Resetting|Reboot)/);
      if (!boot.is('rebooted') || boot.facts.end.times !== 0) return undefined;
      return {
        why: 'after it was booted, its own system restarted it (a reboot command, an update, or a watchdog)',
        fix: 'nothing needs to be done if somebody asked for it in the node',
        evidence: fromConsole(line?.input),
      };
    },
  },
  {
    id: 'boot.loop',
    title: 'it reboots by itself again and again, for no reason that is known here',
    explain(boot) {
      const { end, node } = boot.facts;
      if (!boot.is('rebooted') || (end.times ?? 0) < MAX_SELF_REBOOTS) return undefined;
      const last = boot.facts.console.filter((line) => line.trim() !== '').at(-1);
      return {
        why: `each boot ends in a reboot at ${end.text}`,
        fix: `see the console of all three with 'bootyard node console ${node}', and the differences with 'bootyard node timeline ${node}'`,
        evidence: [...fromConsole(last), ...fromRequest(boot.unfinished())],
      };
    },
  },
];
