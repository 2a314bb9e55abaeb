import { apart, type Cause, clause } from './cause.ts';
import { type BootCase, fromMachine, fromSetting } from './facts.ts';

const text = (boot: BootCase): string => boot.facts.end.text.replace(/\.$/, '');
/** The words of QEMU alone. */
const words = (boot: BootCase): string =>
  text(boot).replace(/^QEMU (did not start: |ended unexpectedly )/, '');

/** What keeps QEMU from starting, or ends it. */
export const machineCauses: readonly Cause[] = [
  {
    id: 'qemu.memory',
    title: 'the host has not the memory that the setting `ram` asks for',
    explain(boot) {
      if (!boot.is('not started', 'crashed')) return undefined;
      if (!/cannot set up guest memory|cannot allocate memory/i.test(text(boot))) return undefined;
      const { node, settings } = boot.facts;
      return {
        why: `this host has not ${settings.ram} of memory for its QEMU (${words(boot)})`,
        fix: `give it less with 'bootyard node config ${node} ram=512M', or free memory on this host`,
        evidence: [...fromSetting('ram', settings.ram), ...fromMachine(text(boot))],
      };
    },
  },
  {
    id: 'qemu.kvm',
    title: 'KVM is asked for (`accel=kvm`) and does not work on the host',
    explain(boot) {
      const { node, settings, console, stage } = boot.facts;
      const isSaid = boot.is('not started', 'crashed') && /kvm/i.test(text(boot));
      const isDead = boot.is('stalled') && stage === 'firmware' && console.length === 0;
      if (settings.accel !== 'kvm' || !(isSaid || isDead)) return undefined;
      const how = isDead ? 'the machine runs and does not print a single character' : words(boot);
      return {
        why: `KVM does not work on this host (${how})`,
        fix: `choose 'bootyard node config ${node} accel=auto', or see what 'bootyard doctor' says of /dev/kvm`,
        evidence: [...fromSetting('accel', settings.accel), ...fromMachine(text(boot))],
      };
    },
  },
  {
    id: 'firmware.missing',
    title: 'a firmware file (iPXE, OVMF, an option ROM) is not installed on the host',
    explain(boot) {
      const { end, settings } = boot.facts;
      if (!boot.is('not started')) return undefined;
      const evidence = [...fromSetting('firmware', settings.firmware), ...fromMachine(end.text)];
      if (end.code === 'firmware.missing') return { ...apart(end.text), evidence };
      const rom =
        /romfile "?([\w.-]+)|could not load PC BIOS '([^']+)'|could not load .*?([\w.-]+\.(?:fd|rom|bin))/i.exec(
          end.text,
        );
      if (!rom) return undefined;
      return {
        why: `QEMU does not find the firmware file ${rom[1] ?? rom[2] ?? rom[3]} on this host`,
        fix: "install it ('bootyard doctor' names the package)",
        evidence,
      };
    },
  },
  {
    id: 'qemu.missing',
    title: 'QEMU is not installed on the host',
    explain(boot) {
      const { end } = boot.facts;
      if (!boot.is('not started') || !/qemu-system-\S+/.test(end.text)) return undefined;
      if (end.code !== 'lab.command' && !/not found|not installed|No such file/i.test(end.text))
        return undefined;
      return {
        why: `this host has no ${/qemu-system-[\w-]+/.exec(end.text)?.[0] ?? 'QEMU'}`,
        fix: "install it ('bootyard doctor' names the package)",
        evidence: fromMachine(end.text),
      };
    },
  },
  {
    id: 'image.wrong-model',
    title: "the image is not made for the node's model (label `walt.node.models`)",
    explain(boot) {
      const { end, image, model, node } = boot.facts;
      if (!boot.is('not started') || end.code !== 'image.incompatible') return undefined;
      return {
        why: `image ${image} is not for nodes of model ${model}, which its label walt.node.models does not name`,
        fix: `boot another image with 'bootyard node boot ${node} IMAGE', or give this one a folder ${boot.bootFolder} and the label`,
        evidence: [{ kind: 'file', text: `label walt.node.models of image ${image}` }],
      };
    },
  },
  {
    id: 'image.gone',
    title: 'there is no image of that name any more',
    explain(boot) {
      const { end, image, node } = boot.facts;
      if (!boot.is('not started') || end.code !== 'image.unknown') return undefined;
      return {
        why: `there is no image ${image} in the store`,
        fix: `choose one of 'bootyard image show' with 'bootyard node boot ${node} IMAGE', or import it again`,
        evidence: fromMachine(end.text),
      };
    },
  },
  {
    id: 'disk.host-full',
    title: "the host's disk is full",
    explain(boot) {
      if (!boot.is('not started', 'crashed', 'paused')) return undefined;
      if (!/ENOSPC|no space left|disk is full/i.test(text(boot))) return undefined;
      return {
        why: `the disk of this host is full (${words(boot)})`,
        fix: 'make room on it: old images and snapshots go with bootyard image remove and bootyard node snapshot remove',
        evidence: fromMachine(text(boot)),
      };
    },
  },
  {
    id: 'network.shaper-ended',
    title: 'the process that limits its network links has ended',
    explain(boot) {
      if (!text(boot).startsWith('The process that shapes its links has ended')) return undefined;
      const { node, settings } = boot.facts;
      return {
        why: clause(text(boot).replace(/, and its networks with it.*/, '')),
        fix: `boot it again with 'bootyard node boot ${node}'`,
        evidence: [...fromSetting('networks', settings.networks), ...fromMachine(text(boot))],
      };
    },
  },
  {
    id: 'qemu.killed',
    title: 'QEMU was killed, mostly by the host when its memory was short',
    explain(boot) {
      if (!boot.is('crashed') || !/signal SIGKILL/.test(text(boot))) return undefined;
      const { node } = boot.facts;
      return {
        why: 'something killed its QEMU (SIGKILL), mostly the kernel of this host when memory is short',
        fix: `see dmesg of the host; run fewer nodes or give them less memory, then 'bootyard node boot ${node}'`,
        evidence: fromMachine(text(boot)),
      };
    },
  },
];
