import { existsSync, readFileSync } from 'node:fs';
import { fail, ok, warn, type Check } from './check.ts';
import { asRoot, installCommand } from './host-packages.ts';
import { renderSourceFilter } from './source-filter.ts';
import { failureOf, tryTool, type ToolResult } from './tool.ts';
import { UNSHARE_ARGUMENTS } from './unshare.ts';

/**
 * Makes the namespaces of a lab and tries in them what a lab does. Each step has its own line; those after a failed one
 * are left out, for they would say the same.
 */
export async function checkNamespaces(): Promise<Check[]> {
  const namespaces = await inNamespaces('true');
  if (namespaces.status !== 0) return [namespacesRefused(namespaces)];
  return [
    ok('namespaces', 'user, network, mount and PID namespaces can be made'),
    ...(await Promise.all([checkProc(), checkTap(), checkBridge(), checkFilter()])),
  ];
}

/** What stands in the way, with the setting that is known to cause it if that is set. */
function namespacesRefused(result: ToolResult): Check {
  const message = `the host refuses namespaces: ${failureOf(result)}`;
  const [setting, value] = blockingSetting() ?? [];
  if (setting === undefined || value === undefined) {
    return fail(
      'namespaces',
      message,
      'in a container: run it with --privileged, or with CAP_SYS_ADMIN and no seccomp filter',
    );
  }
  const write = `sysctl -w ${setting}=${value}`;
  const keep = `echo ${setting}=${value} > /etc/sysctl.d/60-bootyard.conf`;
  return fail(
    'namespaces',
    `${message} (${setting} is ${readSetting(setting) ?? ''})`,
    asRoot(`sh -c '${write} && ${keep}'`),
  );
}

/** The first setting that forbids user namespaces to plain users, and the value that allows them. */
function blockingSetting(): [setting: string, value: string] | undefined {
  if (readSetting('kernel.apparmor_restrict_unprivileged_userns') === '1') {
    return ['kernel.apparmor_restrict_unprivileged_userns', '0'];
  }
  if (readSetting('kernel.unprivileged_userns_clone') === '0')
    return ['kernel.unprivileged_userns_clone', '1'];
  if (readSetting('user.max_user_namespaces') === '0') return ['user.max_user_namespaces', '15000'];
  return undefined;
}

function readSetting(name: string): string | undefined {
  const file = `/proc/sys/${name.replaceAll('.', '/')}`;
  return existsSync(file) ? readFileSync(file, 'latin1').trim() : undefined;
}

async function checkProc(): Promise<Check> {
  const result = await inNamespaces('mount --rbind /proc /mnt && mount -t proc proc /proc');
  if (result.status === 0) return ok('/proc', 'a PID namespace gets a /proc of its own');
  return fail(
    '/proc',
    `the host refuses a new /proc in a PID namespace: ${failureOf(result)}`,
    'in a container: run it with --security-opt systempaths=unconfined (Podman: --security-opt unmask=ALL)',
  );
}

async function checkTap(): Promise<Check> {
  const result = await inNamespaces('ip tuntap add dev by-doctor mode tap');
  if (result.status === 0) return ok('/dev/net/tun', 'taps can be made');
  if (result.stderr.includes('Permission denied')) {
    return fail('/dev/net/tun', 'you may not open /dev/net/tun', asRoot('chmod 666 /dev/net/tun'));
  }
  const fix = existsSync('/dev/net/tun')
    ? asRoot('modprobe tun')
    : asRoot(`sh -c 'modprobe tun; mkdir -p /dev/net; mknod -m 666 /dev/net/tun c 10 200'`);
  return fail('/dev/net/tun', `no tap can be made: ${failureOf(result)}`, fix);
}

async function checkBridge(): Promise<Check> {
  const result = await inNamespaces('ip link add by-doctor type bridge');
  if (result.status === 0) return ok('bridge', 'bridges can be made');
  return fail('bridge', `no bridge can be made: ${failureOf(result)}`, asRoot('modprobe bridge'));
}

async function checkFilter(): Promise<Check> {
  const owner = { mac: '52:54:00:00:00:01', ip: '192.0.2.1' };
  const result = await inNamespaces('nft -f -', renderSourceFilter([{ name: 'by-doctor', owner }]));
  if (result.status === 0) return ok('packet filter', 'nodes are held to their own addresses');
  const missing = /nft: (command )?not found/.test(result.stderr);
  return warn(
    'packet filter',
    `nodes could use the addresses of others: ${missing ? 'nft is not installed' : failureOf(result)}`,
    missing ? installCommand(['filter']) : asRoot('modprobe nf_tables'),
  );
}

async function inNamespaces(script: string, input?: string): Promise<ToolResult> {
  return await tryTool(['unshare', '--net', ...UNSHARE_ARGUMENTS, 'sh', '-c', script], { input });
}
