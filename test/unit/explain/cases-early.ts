import {
  type Case,
  begun,
  dhcp,
  finding,
  panicked,
  refused,
  refusedStart,
  sent,
  settings,
  stopped,
} from './support.ts';

const PXE = { vendorClass: 'PXEClient:Arch:00011:UNDI:003000', architecture: 11 };
const SHEBANG = 'Could not select: Exec format error (https://ipxe.org/2e008081)';
const UNKNOWN_COMMAND = [
  'frobnicate: command not found',
  'Could not boot: Exec format error (http://ipxe.org/2e022001)',
  '>>> Boot failed: The script tftp://192.168.152.1/start.ipxe could not be run.',
];
const files = (...events: ReturnType<typeof sent>[]) => ({ events, stage: 'boot files' });
const dropped = (cause: string) => ({ stage: 'firmware', events: [dhcp('DISCOVER', cause)] });

/** From QEMU's start to the boot files. */
export const earlyCases: Case[] = [
  [
    'qemu.memory',
    {
      ...refusedStart(
        "QEMU did not start: cannot set up guest memory 'pc.ram': Cannot allocate memory.",
        'node.qemu',
      ),
      settings: settings({ ram: '1024G' }),
    },
    'Not started: this host has not 1024G of memory',
    "'bootyard node config n1 ram=512M'",
  ],
  [
    'qemu.kvm',
    {
      ...refusedStart(
        'QEMU did not start: Could not access KVM kernel module: No such file or directory.',
        'node.qemu',
      ),
      settings: settings({ accel: 'kvm' }),
    },
    'KVM does not work on this host',
    'accel=auto',
  ],
  [
    'qemu.kvm',
    { ...stopped('firmware'), settings: settings({ accel: 'kvm' }) },
    'Stopped at firmware: KVM does not work on this host (the machine runs and does not print',
  ],
  [
    'firmware.missing',
    refusedStart(
      "UEFI firmware (OVMF) is not installed, which firmware=uefi needs: run 'apt install ovmf', or choose firmware=ipxe.",
      'firmware.missing',
    ),
    'UEFI firmware (OVMF) is not installed',
    "run 'apt install ovmf'",
  ],
  [
    'firmware.missing',
    refusedStart('QEMU did not start: failed to find romfile "efi-virtio.rom".', 'node.qemu'),
    'efi-virtio.rom',
    'bootyard doctor',
  ],
  [
    'qemu.missing',
    refusedStart('qemu-system-x86_64 is not installed.', 'lab.command'),
    'has no qemu-system-x86_64',
    'bootyard doctor',
  ],
  [
    'image.wrong-model',
    refusedStart('Sorry, this image is not compatible with pc-x86-64.', 'image.incompatible'),
    'image img is not for nodes of model pc-x86-64',
    'walt.node.models',
  ],
  [
    'image.gone',
    refusedStart("Error: No such image 'img'.", 'image.unknown'),
    'no image img in the store',
    'bootyard image show',
  ],
  [
    'disk.host-full',
    refusedStart('ENOSPC: no space left on device, write', 'ENOSPC'),
    'the disk of this host is full',
    'bootyard image remove',
  ],
  [
    'network.shaper-ended',
    {
      ...stopped('init'),
      end: {
        kind: 'given up',
        text: 'The process that shapes its links has ended (SIGKILL), and its networks with it: boot it again.',
      },
    },
    'shapes its links has ended (SIGKILL)',
    'bootyard node boot n1',
  ],
  [
    'qemu.killed',
    {
      ...stopped('init'),
      end: { kind: 'crashed', text: 'QEMU ended unexpectedly (signal SIGKILL: no message)' },
    },
    'QEMU ended unexpectedly at init: something killed',
    'less memory',
  ],
  [
    'dhcp.relay',
    dropped('relay 10.9.8.7 is outside this network'),
    'through the relay 10.9.8.7',
    'take the relay away',
  ],
  [
    'dhcp.wrong-model',
    {
      stage: 'boot files',
      events: [dhcp('REQUEST', 'it took the offer', { answer: 'ACK', userClass: 'walt.node.pc-x86-32' })],
    },
    'says it is a pc-x86-32, and the node was made as pc-x86-64',
    'give n1 a machine of model pc-x86-64 and a first stage that says so.',
  ],
  [
    'dhcp.wrong-model',
    {
      stage: 'boot files',
      events: [dhcp('REQUEST', 'it took the offer', { answer: 'ACK', userClass: 'walt.node.qemu-arm-64' })],
    },
    "or make it anew with 'bootyard node create --model qemu-arm-64'",
  ],
  [
    'dhcp.no-file',
    { stage: 'dhcp', events: [dhcp('REQUEST', 'it took the offer', { answer: 'ACK', ...PXE })] },
    'architecture 11',
    'firmware=ipxe',
  ],
  [
    'dhcp.refused',
    {
      stage: 'dhcp',
      events: [dhcp('REQUEST', '10.0.0.1 is outside this network', { answer: 'NAK' })],
    },
    'was refused (10.0.0.1 is outside this network)',
    'reboot --hard n1',
  ],
  [
    'firmware.nothing-to-boot',
    { ...stopped('firmware', 'No bootable device.'), settings: settings({ firmware: 'pxe' }) },
    '(firmware=pxe) found nothing to boot',
    'firmware=ipxe',
  ],
  [
    'script.missing',
    files(
      refused('/start.ipxe', 'image img has no /boot/pc-x86-64/start.ipxe (there is initrd, kernel)', 'tftp'),
    ),
    'Stopped at boot files: the boot script was asked for and refused: image img has no /boot/pc-x86-64/start.ipxe (there is initrd, kernel)',
    'put start.ipxe into /boot/pc-x86-64 of image img',
  ],
  [
    'script.no-shebang',
    {
      ...files(sent('/start.ipxe')),
      console: [SHEBANG, '>>> Boot failed: The script …'],
    },
    '/boot/pc-x86-64/start.ipxe of image img was fetched and not run as a script',
    'make #!ipxe its first line',
  ],
  [
    'script.no-shebang',
    {
      // iPXE on a BIOS takes it for a program of the network card's, and runs it as such.
      ...files(sent('/start.ipxe')),
      console: ['tftp://192.168.152.1/start.ipxe... o'],
      findings: [
        finding(
          'boot.bad-script',
          '/boot/pc-x86-64/start.ipxe does not begin with the line #!ipxe, so iPXE will not run it.',
          'Make #!ipxe the first line of the script.',
          '/boot/pc-x86-64/start.ipxe',
        ),
      ],
    },
    '/boot/pc-x86-64/start.ipxe of image img was fetched and not run as a script',
    'make #!ipxe the first line of the script',
  ],
  [
    'ipxe.unknown-command',
    { ...files(sent('/boot/start-generic-2.ipxe')), console: UNKNOWN_COMMAND },
    'the command frobnicate',
    'bootyard image lint img',
  ],
  [
    'kernel.missing',
    files(
      refused('/boot/boot-params.ipxe', 'image img has no that'),
      refused('/boot/kernel', 'image img has no /boot/pc-x86-64/kernel (there is initrd)'),
    ),
    'the kernel was asked for and refused: image img has no /boot/pc-x86-64/kernel (there is initrd)',
    'install a kernel in image img',
  ],
  [
    'initrd.missing',
    files(refused('/boot/initrd-6.1', 'image img has no /boot/pc-x86-64/initrd-6.1')),
    'the initrd was asked for and refused',
    'which Bootyard makes when the image has none',
  ],
  [
    'initrd.missing',
    {
      stage: 'kernel',
      events: [refused('/boot/initrd-6.1', 'image img has no /boot/pc-x86-64/initrd-6.1')],
      console: [
        '[    1.2] VFS: Cannot open root device "nfs" or unknown-block(0,255): error -6',
        '[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,255)',
      ],
      end: { kind: 'panicked', text: 'Kernel panic' },
    },
    'Kernel panic at kernel: the initrd was asked for and refused',
    'cannot mount its root without one',
  ],
  [
    'kernel.architecture',
    {
      ...files(sent('/boot/kernel')),
      console: ['Could not select: Exec format error (http://ipxe.org/2e008001)'],
      findings: [
        finding(
          'kernel.architecture',
          '/boot/pc-x86-64/kernel is a kernel for arm64, and pc-x86-64 nodes are amd64.',
          'Install the kernel of amd64; build the image with --platform linux/amd64.',
        ),
      ],
    },
    'fetched and not started: /boot/pc-x86-64/kernel is a kernel for arm64',
    'install the kernel of amd64',
  ],
  [
    'boot.memory',
    {
      ...panicked(
        'kernel',
        'http://192.168.152.1/boot/initrd... No space left on device (http://ipxe.org/341',
        '82006)',
        'No initrd: the kernel starts without one.',
        '[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)',
      ),
      events: [sent('/boot/initrd', 'the client closed the connection'), sent('/boot/kernel')],
      settings: settings({ ram: '128M' }),
    },
    'Kernel panic at kernel: kernel and initrd do not fit into its 128M of memory, and the kernel cannot',
    'ram=1G',
  ],
  [
    'boot.memory',
    {
      ...files(begun('/boot/kernel')),
      console: ['http://192.168.152.1/boot/kernel... No space left on device (http://ipxe.org/341'],
      settings: settings({ ram: '128M' }),
    },
    'Stopped at boot files: kernel and initrd do not fit into its 128M of memory;',
  ],
  [
    'boot.file-missing',
    files(refused('/start-generic.ipxe', 'image img has no /boot/pc-x86-64/start-generic.ipxe', 'tftp')),
    '/start-generic.ipxe was asked for by TFTP and refused',
    'correct the path in the boot script',
  ],
  [
    'boot.transfer-broke',
    files(begun('/boot/kernel'), sent('/boot/kernel', 'the client closed the connection')),
    'the transfer of /boot/kernel by HTTP broke off after 8000000 bytes (the client closed',
    'bootyard node boot n1',
  ],
  [
    'boot.transfer-broke',
    {
      ...panicked(
        'kernel',
        '[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)',
      ),
      events: [sent('/boot/initrd', 'the client closed the connection'), sent('/boot/kernel')],
    },
    'the transfer of /boot/initrd by HTTP broke off',
    'without it; boot it again',
  ],
  [
    'script.failed',
    { ...stopped('boot files', '>>> Boot failed: no disk.'), events: [sent('/start.ipxe')] },
    'the boot script gave up: no disk',
    '/boot/pc-x86-64 of image img',
  ],
  [
    'network.loss',
    {
      ...stopped('firmware', 'Configuring [dhcp]...'),
      settings: settings({ networks: 'walt-net[loss=100%]' }),
    },
    'loses 100 % of its frames',
    'networks=walt-net',
  ],
  [
    'network.slow',
    { ...files(begun('/boot/kernel')), settings: settings({ networks: 'walt-net[bw=64kbps]' }) },
    'passes 64 kbit/s, and /boot/kernel was on its way',
    'networks=walt-net',
  ],
  [
    'network.lab-broken',
    stopped(
      'firmware',
      'Bootyard: asking for an address (walt.node.pc-x86-64)...',
      '>>> Boot failed: No DHCP server answered with an address.',
    ),
    "nothing of that reached the lab's DHCP server",
    'bootyard lab stop',
  ],
  [
    'network.lab-broken',
    refusedStart('The tap vn525400 cannot be made: there is no /dev/net/tun.', 'lab.network'),
    'cannot be joined',
    'bootyard doctor',
  ],
  [
    'dhcp.answer-lost',
    { stage: 'dhcp', events: [dhcp('DISCOVER', 'reserved address', { answer: 'OFFER' })] },
    'offered it an address 1 time, and it took none',
    'bootyard doctor',
  ],
];
