import { readFileSync } from 'node:fs';

/** What a distribution calls the packages that hold the programs and files we need. */
interface Distribution {
  install: string;
  packages: Record<Need, string>;
}
export type Need =
  | 'qemu'
  | 'ipxe'
  | 'qemuArm'
  | 'uboot'
  | 'uefi'
  | 'ext4'
  | 'fat'
  | 'images'
  | 'partitions'
  | 'ssh'
  | 'namespaces'
  | 'network'
  | 'filter'
  | 'radvd'
  | 'uplink'
  | 'ping'
  | 'capture'
  | 'mmdebstrap'
  | 'dpkg'
  | 'xz';

const debian: Distribution = {
  install: 'apt-get install -y',
  packages: {
    qemu: 'qemu-system-x86',
    ipxe: 'ipxe',
    uefi: 'ovmf',
    qemuArm: 'qemu-system-arm',
    uboot: 'u-boot-qemu',
    ext4: 'e2fsprogs',
    fat: 'dosfstools',
    images: 'qemu-utils',
    partitions: 'fdisk',
    ssh: 'openssh-client',
    namespaces: 'util-linux',
    network: 'iproute2',
    filter: 'nftables',
    radvd: 'radvd',
    uplink: 'slirp4netns',
    ping: 'iputils-ping',
    capture: 'perl-base',
    mmdebstrap: 'mmdebstrap',
    dpkg: 'dpkg',
    xz: 'xz-utils',
  },
};
const fedora: Distribution = {
  install: 'dnf install -y',
  packages: {
    ...debian.packages,
    partitions: 'util-linux',
    xz: 'xz',
    capture: 'perl-interpreter',
    images: 'qemu-img',
    qemu: 'qemu-system-x86-core',
    ipxe: 'ipxe-bootimgs-x86',
    uefi: 'edk2-ovmf',
    qemuArm: 'qemu-system-aarch64-core',
    uboot: 'uboot-images-armv8',
    ssh: 'openssh-clients',
    network: 'iproute',
    ping: 'iputils',
  },
};
const arch: Distribution = {
  install: 'pacman -S --needed',
  packages: {
    ...debian.packages,
    partitions: 'util-linux',
    xz: 'xz',
    capture: 'perl',
    images: 'qemu-img',
    qemu: 'qemu-system-x86',
    qemuArm: 'qemu-system-aarch64',
    uefi: 'edk2-ovmf',
    ssh: 'openssh',
    ping: 'iputils',
  },
};

/** The command that installs what is needed, for the distribution that /etc/os-release names; Debian's by default. */
export function installCommand(needs: readonly Need[], osRelease = readOsRelease()): string {
  const { install, packages } = distributionOf(osRelease);
  const names = [...new Set(needs.map((need) => packages[need]))];
  return asRoot(`${install} ${names.join(' ')}`);
}

/** How a user who may not be root runs a command that needs it. */
export function asRoot(command: string): string {
  return process.getuid?.() === 0 ? command : `sudo ${command}`;
}

function distributionOf(osRelease: string): Distribution {
  const lines = osRelease.split('\n').filter((line) => /^ID(_LIKE)?=/.test(line));
  const ids = lines.flatMap((line) =>
    line
      .replace(/^[^=]*=/, '')
      .replaceAll('"', '')
      .split(' '),
  );
  if (ids.some((id) => ['debian', 'ubuntu'].includes(id))) return debian;
  if (ids.some((id) => ['fedora', 'rhel', 'centos'].includes(id))) return fedora;
  return ids.includes('arch') ? arch : debian;
}

function readOsRelease(): string {
  try {
    return readFileSync('/etc/os-release', 'utf8');
  } catch {
    return '';
  }
}
