import { fail, ok, warn, type Check } from './check.ts';
import { installCommand, type Need } from './host-packages.ts';
import { findProgram } from './program.ts';
import { qemuVersion } from './qemu-version.ts';
import { failureOf, tryTool } from './tool.ts';

interface Group {
  name: string;
  level: 'warn' | 'fail';
  programs: Record<string, Need>;
  /** what does not work without them */
  loss: string;
}

const groups: readonly Group[] = [
  {
    name: 'lab programs',
    level: 'fail',
    programs: {
      unshare: 'namespaces',
      nsenter: 'namespaces',
      flock: 'namespaces',
      setsid: 'namespaces',
      ip: 'network',
    },
    loss: 'no lab can be made',
  },
  {
    name: 'ssh',
    level: 'fail',
    programs: { ssh: 'ssh', 'ssh-keygen': 'ssh' },
    loss: 'there are no shells in nodes',
  },
  {
    name: 'mkfs',
    level: 'warn',
    programs: { mke2fs: 'ext4', 'mkfs.fat': 'fat', sfdisk: 'partitions', 'qemu-img': 'images' },
    loss: 'nodes cannot have disks of their own',
  },
  {
    name: 'router answers',
    level: 'warn',
    programs: { radvd: 'radvd' },
    loss: 'nodes with firmware=pxe start half a minute later',
  },
  {
    name: 'uplink',
    level: 'warn',
    programs: { slirp4netns: 'uplink' },
    loss: 'nodes cannot have netsetup=NAT',
  },
  { name: 'ping', level: 'warn', programs: { ping: 'ping' }, loss: 'there is no `node ping`' },
  {
    name: 'captures',
    level: 'warn',
    programs: { perl: 'capture' },
    loss: 'packets of nodes cannot be captured',
  },
  {
    name: 'image programs',
    level: 'warn',
    programs: { mmdebstrap: 'mmdebstrap', 'dpkg-deb': 'dpkg' },
    loss: 'the default images cannot be built, others can be imported',
  },
  {
    name: 'xz',
    level: 'warn',
    programs: { xz: 'xz' },
    loss: 'images, kernel modules and initrds that are packed with it cannot be read',
  },
];

/** The programs that the lab, the nodes and the default images need, by what depends on them. */
export async function checkPrograms(): Promise<Check[]> {
  return [...groups.map(checkGroup), await checkUtilLinux()];
}

function checkGroup({ name, level, programs, loss }: Group): Check {
  const missing = Object.entries(programs).filter(([program]) => findProgram(program) === undefined);
  if (missing.length === 0) return ok(name, `${Object.keys(programs).join(', ')} are there`);
  const names = missing.map(([program]) => program).join(', ');
  const fix = installCommand(missing.map(([, need]) => need));
  return { name, level, message: `${names} not found: ${loss}`, fix };
}

/** --kill-child came with 2.32 of 2018. */
async function checkUtilLinux(): Promise<Check> {
  const result = await tryTool(['unshare', '--version']);
  const [, major, minor] = /(\d+)\.(\d+)/.exec(result.stdout) ?? [];
  const version = `${major}.${minor}`;
  if (result.status !== 0 || major === undefined) {
    return fail('util-linux', `unshare does not run: ${failureOf(result)}`, installCommand(['namespaces']));
  }
  const recent = Number(major) > 2 || Number(minor) >= 32;
  return recent
    ? ok('util-linux', `version ${version}`)
    : fail('util-linux', `version ${version} is too old`, 'install util-linux 2.32 or later');
}

export async function checkQemu(): Promise<Check> {
  const result = await tryTool(['qemu-system-x86_64', '--version']);
  if (result.status !== 0) {
    return fail('QEMU', `qemu-system-x86_64 does not run: ${failureOf(result)}`, installCommand(['qemu']));
  }
  const version = qemuVersion(result.stdout);
  const isOld = version !== undefined && version.major < 5;
  return isOld
    ? warn('QEMU', `${version.text} is older than any that was tried`, 'install QEMU 5.0 or later')
    : ok('QEMU', version?.text ?? 'is there');
}
