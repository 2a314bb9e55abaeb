import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findProgram } from '../../backend/lab/program.ts';
import { BOOT, brokenLab, type Broken } from '../support/explain.ts';
import { importVariant } from '../support/variant.ts';

const { lab, expectCause, expectTold, told } = brokenLab();
const INITRD = `${BOOT}/initrd`;
/** Hides folders or files of this host from the lab alone, whose mounts are its own. */
const hidden = (...paths: string[]): Pick<Broken, 'before' | 'after'> => {
  const there = paths.filter((path) => existsSync(path));
  const cover =
    'for path do [ -d "$path" ] && set -- -t tmpfs none || set -- --bind /dev/null; mount "$@" "$path"; done';
  return {
    before: () => lab.inside('sh', '-ec', cover, 'sh', ...there),
    after: () => lab.inside('sh', '-ec', 'for path do umount "$path"; done', 'sh', ...there),
  };
};

async function kill(node: string, pidFile: string): Promise<void> {
  const { mac } = await lab.node(node);
  const path = join(lab.paths.nodes, mac.replaceAll(':', '-'), pidFile);
  await lab.inside('sh', '-c', 'read -r pid x <"$0"; kill -KILL "$pid"', path);
}

/** What is found before QEMU runs a guest. */
const cases: Broken[] = [
  {
    cause: 'qemu.memory',
    settings: ['ram=1024G'],
    words: ['Not started', 'this host has not 1024G of memory', 'ram=512M'],
  },
  {
    cause: 'qemu.kvm',
    settings: ['accel=kvm'],
    ...hidden('/dev/kvm'),
    words: ['Not started', 'KVM does not work on this host', 'accel=auto'],
  },
  {
    cause: 'firmware.missing',
    settings: ['firmware=uefi'],
    ...hidden('/usr/share/OVMF', '/usr/share/edk2'),
    words: ['Not started', 'UEFI firmware (OVMF) is not installed', 'choose firmware=ipxe'],
  },
  {
    cause: 'firmware.missing',
    settings: ['firmware=pxe'],
    ...hidden('/usr/lib/ipxe/qemu'),
    words: ['Not started', 'the firmware file efi-virtio.rom on this host', 'bootyard doctor'],
  },
  {
    cause: 'network.lab-broken',
    ...hidden('/dev/net'),
    words: ['Not started', 'cannot be joined to', 'there is no /dev/net/tun', 'bootyard doctor'],
  },
  {
    cause: 'kernel.no-modules',
    change: { remove: [INITRD, 'lib/modules/'] },
    words: ['Not started', 'no /lib/modules/', 'install the modules of this very kernel'],
  },
  {
    cause: 'initrd.no-nic',
    make: (files) => files.without(/initrd$|\/virtio_net\.ko$/),
    words: ['Not started', 'virtio_net.ko is in modules.dep but not in the image', 'run depmod'],
  },
  {
    cause: 'initrd.no-nfs',
    make: (files) => files.without(/initrd$|\/nfs\.ko$/),
    words: ['Not started', 'nfs.ko is in modules.dep but not in the image', 'run depmod'],
  },
  {
    cause: 'busybox.missing',
    change: { remove: [INITRD, 'bin/busybox'] },
    words: ['Not started', 'no /bin/busybox', 'busybox-static'],
  },
  {
    cause: 'qemu.missing',
    ...hidden(findProgram('qemu-system-x86_64') ?? ''),
    words: ['Not started', 'this host has no qemu-system-x86_64', 'bootyard doctor'],
  },
  {
    cause: 'network.shaper-ended',
    settings: ['networks=walt-net[bw=4Mbps]'],
    meanwhile: (node) => kill(node, 'shaper.pid'),
    words: ['the process that shapes its links has ended', 'SIGKILL', 'bootyard node boot'],
  },
  {
    cause: 'qemu.killed',
    meanwhile: (node) => kill(node, 'qemu.pid'),
    words: ['QEMU ended unexpectedly at firmware', 'SIGKILL', 'dmesg', 'bootyard node boot'],
  },
];

test.each(cases)('$cause', expectCause);

/** A node that is off, with an image of its own, which has the node's name. */
async function nodeThatIsOff(name: string): Promise<void> {
  await importVariant(lab, name, {});
  await lab.bootyard('node', 'create', name, '--image', name);
  await lab.bootyard('node', 'stop', name);
}
async function expectAtReboot(name: string, broken: Broken): Promise<void> {
  const { status, stderr } = await lab.run('node', 'reboot', '--hard', name);
  const explanation = await told(name, { ...broken, boot: 2 });
  expect([status, stderr]).toEqual([1, expect.stringContaining(explanation.sentence)]);
  expectTold(explanation, broken);
}

/** What any tool for OCI layouts may do, such as skopeo: the daemon itself refuses it while a node has the image. */
async function changeIndex(change: (manifests: string[]) => string[]): Promise<void> {
  await lab.bootyard('lab', 'stop');
  const path = join(lab.paths.images, 'index.json');
  const { manifests, ...rest } = JSON.parse(readFileSync(path, 'utf8')) as { manifests: object[] };
  const changed = change(manifests.map((manifest) => JSON.stringify(manifest)));
  expect(changed).toHaveLength(manifests.length - 1);
  const index = { ...rest, manifests: changed.map((text) => JSON.parse(text) as unknown) };
  writeFileSync(path, JSON.stringify(index));
}

test('image.wrong-model', async () => {
  await nodeThatIsOff('relabelled');
  await importVariant(lab, 'for-pi', {}, '--label', 'walt.node.models=rpi-3-b');
  await changeIndex((manifests) =>
    manifests
      .filter((text) => !text.includes('"relabelled"'))
      .map((text) => text.replaceAll('"for-pi"', '"relabelled"')),
  );
  await expectAtReboot('relabelled', {
    cause: 'image.wrong-model',
    words: ['Not started: image relabelled is not for nodes of model pc-x86-64', 'the label'],
  });
});

test('image.gone', async () => {
  await nodeThatIsOff('taken-away');
  await changeIndex((manifests) => manifests.filter((text) => !text.includes('"taken-away"')));
  await expectAtReboot('taken-away', {
    cause: 'image.gone',
    words: ['Not started: there is no image taken-away in the store', 'bootyard image show'],
  });
});
