import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { bootTestLab } from '../support/boot-test-lab.ts';
import { ImageFiles } from '../support/explain.ts';
import { until } from '../support/lab.ts';
import { isLong } from '../support/long.ts';
import { importVariant } from '../support/variant.ts';

const { lab, write, nothingLeft, failuresIn } = bootTestLab();

describe.runIf(isLong)('what a file asks for happens to the node', () => {
  test('loss and delay', async () => {
    const file = write(
      'link',
      `image: pc-x86-64-tiny
faults: {latency: 50ms, loss: 3%}
expect:
  commands:
    - {run: ping -c 1 -w 20 192.168.152.1, output: 'time=(\\d{3,}|[5-9]\\d)\\.', within: 30}
    - {run: ping -c 200 -i 0.1 192.168.152.1, output: ', [1-9]\\d*% packet loss'}
`,
    );
    expect(await failuresIn(file, 0)).toEqual({ link: [] });
  });

  test('servers that are down for longer than the boot may stand still', async () => {
    const file = write(
      'down',
      'image: pc-x86-64-tiny\nsettings: {boot.timeout: 30}\nfaults: {serverDown: {at: walt-init, seconds: 3000}}\n',
    );
    const [message] = (await failuresIn(file, 1)).down ?? [];
    expect(message).toMatch(/^The boot did not come to booted: /);
    expect(message).toContain(
      'The file has the servers of the lab down for the node from walt-init on, for 3000 s.',
    );
  });

  test('memory and firmware of a matrix', async () => {
    const file = write(
      'm',
      `image: pc-x86-64-tiny
expect:
  commands:
    - {run: ls /sys/firmware/efi}
    - {run: cat /proc/meminfo, output: 'MemTotal: +[34]\\d{5} kB'}
matrix: {firmware: [ipxe, uefi], ram: [256M, 512M]}
`,
    );
    const noEfi = expect.stringContaining('/sys/firmware/efi');
    const other = expect.stringContaining('/proc/meminfo');
    expect(await failuresIn(file, 1)).toEqual({
      'm (ram=256M, firmware=ipxe)': [noEfi, other],
      'm (ram=512M, firmware=ipxe)': [noEfi],
      'm (ram=256M, firmware=uefi)': [other],
      'm (ram=512M, firmware=uefi)': [],
    });
  });

  test('a slow image beside the reference', async () => {
    const files = new ImageFiles();
    await importVariant(lab, 'slow', await files.atInit('sleep 30'));
    files.close();
    const limits = 'limits: {bytes: 10k, reference: {image: pc-x86-64-tiny, ratio: 1.2}}';
    const file = write('slow', `matrix: {image: [pc-x86-64-tiny, slow]}\nexpect: {${limits}}\n`);
    const much = expect.stringMatching(/^The boot fetched .* and may fetch 10\.0 kB; most of it: \/boot\//);
    expect((await failuresIn(file, 1))['slow (image=slow)']).toEqual([
      much,
      expect.stringMatching(/ times as long as that of pc-x86-64-tiny .*, and may take 1\.2 times\.$/),
    ]);
  });

  test('a panic that is expected', async () => {
    await importVariant(lab, 'panics', { add: { 'boot/pc-x86-64/initrd': 'no archive\n' } });
    const file = write('panics', 'image: panics\nexpect: {panic: true}\n');
    expect(await failuresIn(file, 0)).toEqual({ panics: [] });
  });

  test('kill -9 of the command takes the node along', async () => {
    const child = lab.spawn('test', write('killed', 'image: pc-x86-64-tiny\n'));
    await until(
      'a node runs',
      () => readdirSync(lab.paths.nodes, { recursive: true }),
      (all) => all.some((path) => String(path).endsWith('/qemu.pid')),
    );
    child.kill('SIGKILL');
    await nothingLeft();
  });
});
