import { expect, test } from 'vitest';
import { threadsOf } from '../../backend/lab/qemu-version.ts';
import { escapeOption } from '../../backend/nodes/qemu-option.ts';
import { qemuArguments } from '../../backend/nodes/qemu.ts';
import { nodeDefaults } from '../../backend/nodes/settings.ts';

const machine = {
  model: 'pc-x86-64',
  name: 'vnode1',
  settings: { ...nodeDefaults, ram: '2G', 'cpu.cores': 3 },
};
const files = {
  cards: [{ network: 'walt-net', mac: '52:54:00:01:02:03', tap: 'vn1', shaper: undefined }],
  consoleLog: '/a,b/console.log',
  consoleSocket: '/run/x.tty',
  controlSocket: '/run/x.ctl',
  debugSocket: '/run/x.dbg',
  qmpSocket: '/run/x.qmp',
  disks: [],
};

function valueOf(argv: string[], option: string): string[] {
  return argv.flatMap((word, index) => (word === option ? [argv[index + 1] ?? ''] : []));
}

test('iPXE as kernel: no boot ROM, serial line logged by QEMU, commas escaped', () => {
  const argv = qemuArguments(machine, { ...files, kernel: '/k,1', initrd: '/i' }, 'tcg', 'single');
  expect(argv[0]).toBe('qemu-system-x86_64');
  expect(valueOf(argv, '-kernel')).toEqual(['/k,1']);
  expect(valueOf(argv, '-initrd')).toEqual(['/i']);
  expect(valueOf(argv, '-boot')).toEqual([]);
  expect(valueOf(argv, '-m')).toEqual(['2048']);
  expect(valueOf(argv, '-smp')).toEqual(['3']);
  expect(valueOf(argv, '-cpu')).toEqual(['max']);
  expect(valueOf(argv, '-machine')[0]).toMatch(/^pc,graphics=off/);
  // iPXE waits half a second for the ticks of a clock chip on IRQ 8; with an HPET it would be there whatever is said.
  expect(valueOf(argv, '-machine')[0]).toContain('hpet=off');
  expect(valueOf(argv, '-global')).toEqual(['mc146818rtc.irq=5']);
  expect(valueOf(argv, '-netdev')).toEqual(['tap,id=net0,ifname=vn1,script=no,downscript=no']);
  expect(valueOf(argv, '-device')[0]).toBe('virtio-net-pci,netdev=net0,mac=52:54:00:01:02:03,romfile=');
  expect(valueOf(argv, '-chardev')[0]).toBe(
    'socket,id=console,path=/run/x.tty,server=on,wait=off,logfile=/a,,b/console.log,logappend=on',
  );
  for (const flag of ['-nodefaults', '-no-reboot']) expect(argv).toContain(flag);
  expect(argv.every((word) => word !== '' && word !== 'undefined')).toBe(true);
});

test('the card’s ROM boots when there is no kernel; KVM takes the host’s processor', () => {
  const argv = qemuArguments(machine, files, 'kvm', 'multi');
  expect(valueOf(argv, '-boot')).toEqual(['order=n,strict=on']);
  expect(valueOf(argv, '-device')[0]).toContain('bootindex=1');
  expect(valueOf(argv, '-device')[0]).not.toContain('romfile');
  expect(valueOf(argv, '-kernel')).toEqual([]);
  expect(valueOf(argv, '-accel')).toEqual(['kvm']);
  expect(valueOf(argv, '-cpu')).toEqual(['host']);
});

test('one thread emulates all processors where QEMU is older than 8.1, and their own ones in later releases', () => {
  const accelerator = (printed: string) =>
    valueOf(qemuArguments(machine, files, 'tcg', threadsOf(printed)), '-accel');
  const single = ['tcg,thread=single,tb-size=256'];
  expect(accelerator('QEMU emulator version 7.2.17 (Debian 1:7.2+dfsg-7+deb12u13)\nCopyright')).toEqual(
    single,
  );
  expect(accelerator('QEMU emulator version 8.0.50')).toEqual(single);
  expect(accelerator('nothing')).toEqual(single);
  for (const version of ['8.1.0', '9.0.2', '10.0.3 (Debian)']) {
    expect(accelerator(`QEMU emulator version ${version}`)).toEqual(['tcg,tb-size=256']);
  }
});

test('commas', () => expect(escapeOption('a,b,,c')).toBe('a,,b,,,,c'));
