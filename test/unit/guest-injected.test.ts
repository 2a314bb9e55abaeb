import { execFileSync, spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { guestFolder, injectedFiles } from '../../backend/guest/injected.ts';

const values = {
  walt_server_ip: '192.168.152.1',
  walt_server_rpc_port: '12345',
  walt_server_logs_port: '12347',
  walt_server_notify_bootup_port: '12347',
  walt_image_id: 'ab'.repeat(32),
  walt_image_size_kib: '1234',
};

const words = (text: string): string[] => text.trim().split(/\s+/);

describe('files injected into nodes', () => {
  it('are those that WalT injects', () => {
    const internal = words(`
      walt-boot-modes walt-clock-sync walt-control-line walt-debug-line walt-dump-diff-tar
      walt-fs-watchdog walt-hybrid walt-hybrid-copy walt-hybrid-report
      walt-init-finalfs walt-init-nbd walt-init-rootfs walt-init-rootfs-main
      walt-log-script walt-logs-daemon walt-monitor-request walt-net-service walt-net-service-handler walt-network-persistent walt-notify-bootup
      walt-order-disks walt-rpc walt-script-common walt-tar-send walt-timeout walt-xattrs
    `);
    const tools = words(`
      walt-cat walt-echo walt-env walt-init walt-log-cat walt-log-echo walt-log-monitor walt-log-tee
      walt-report-lldp-neighbor walt-tee
    `);
    const paths = injectedFiles(values, 'amd64').map(({ path }) => path);
    expect(paths.sort()).toEqual(
      [
        ...tools.map((name) => `/bin/${name}`),
        ...internal.map((name) => `/bin/_walt_internal_/${name}`),
      ].sort(),
    );
  });

  it('programs can be executed, files that are read cannot', () => {
    for (const { path, mode, content } of injectedFiles(values, 'amd64')) {
      const isProgram = /^(#!\/bin\/busybox sh\n|\x7fELF)/.test(content.toString('latin1'));
      expect([path, mode]).toEqual([path, isProgram ? 0o755 : 0o644]);
    }
  });

  it.each([
    ['amd64', 62],
    ['arm64', 183],
  ])('the program for extended attributes is one for %s', (architecture, machine) => {
    const program = injectedFiles(values, architecture).find(({ path }) => path.endsWith('/walt-xattrs'));
    expect(program?.content.readUInt16LE(18)).toBe(machine);
  });

  it('a processor without such a program gets the scripts alone', () => {
    expect(injectedFiles(values, 'riscv64').map(({ path }) => path)).not.toContain(
      '/bin/_walt_internal_/walt-xattrs',
    );
  });

  it('walt-env holds the values', () => {
    const env =
      injectedFiles(values, 'amd64')
        .find(({ path }) => path === '/bin/walt-env')
        ?.content.toString() ?? '';
    const read = execFileSync('sh', ['-c', `${env}\nenv`], { encoding: 'utf8' });
    for (const [name, value] of Object.entries(values)) expect(read).toContain(`${name}=${value}\n`);
  });

  it('refuses to leave a hole', () => {
    const { walt_image_id: _, ...rest } = values;
    expect(() => injectedFiles(rest, 'amd64')).toThrow('walt-env needs a value for walt_image_id');
  });
});

const scripts = globSync(
  ['bin/walt-*', 'bin/_walt_internal_/*', 'initrd/init', 'image/default/customize.sh'],
  {
    cwd: guestFolder(),
  },
).concat(
  ['image/tiny/etc/init.d/rcS'],
  ['hooks/zz-walt', 'scripts/walt', 'scripts/init-bottom/walt-dev'].map(
    (name) => `image/default/root/etc/initramfs-tools/${name}`,
  ),
);

describe('scripts for nodes', () => {
  it.each(scripts)('%s is correct for busybox sh', (script) => {
    const checked = spawnSync('/bin/busybox', ['sh', '-n', join(guestFolder(), script)], {
      encoding: 'utf8',
    });
    expect(checked).toMatchObject({ status: 0, stderr: '' });
  });

  it.skipIf(spawnSync('shellcheck', ['--version']).error)('pass shellcheck', () => {
    // Not for a shell with "local" and "read -t" in it, nor for variables that another file sets.
    const excluded = 'SC1091,SC3043,SC3045,SC2154';
    const args = ['-s', 'sh', '-S', 'warning', '-e', excluded, ...scripts];
    const checked = spawnSync('shellcheck', args, { cwd: guestFolder(), encoding: 'utf8' });
    expect(checked.stdout).toBe('');
  });

  it('step labels have the form that WalT’s consoles show', () => {
    const common = readFileSync(join(guestFolder(), 'bin/_walt_internal_/walt-script-common'), 'utf8');
    expect(common).toContain(`printf '*** %-60s ***\\n'`);
  });

  it('a step label that cannot be written ends no boot', () => {
    const script =
      '. ./bin/_walt_internal_/walt-script-common; set -e; step one >&-; echo "on after $current_step"';
    const { stdout } = spawnSync('busybox', ['sh', '-c', script], { cwd: guestFolder(), encoding: 'utf8' });
    expect(stdout).toBe('on after one\n');
  });
});
