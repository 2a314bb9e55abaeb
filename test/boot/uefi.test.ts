import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestLab } from '../support/lab.ts';

const lab = new TestLab();
beforeAll(() => lab.importDefault('pc-x86-64-tiny'), 300_000);
afterAll(() => lab.remove());

test('UEFI fetches iPXE by PXE, which boots the same image by the same scripts', async () => {
  await lab.bootyard('node', 'create', '--wait', 'n1', '--image', 'pc-x86-64-tiny', 'firmware=uefi');
  const { stages } = await lab.timeline('n1');
  expect(stages[0]).toMatchObject({ name: 'firmware', detail: expect.stringContaining('firmware UEFI') });
  expect(JSON.stringify(stages)).toContain('UEFI: Start PXE over IPv4');
  const files = stages.find(({ name }) => name === 'boot files')?.detail;
  expect(files).toContain('walt-x86-64-snponly.efi');
  expect(files).toContain('bootyard-stage1.ipxe');
  expect(files).toContain('start.ipxe');
  expect(await lab.inNode('n1', '[ -d /sys/firmware/efi ] && cat /proc/cmdline')).toMatch(
    /walt\.node\.model=pc-x86-64 .*init=\/bin\/walt-init .*console=ttyS0/,
  );
  // The strings by which images choose their boot parameters are QEMU's own.
  expect(await lab.inNode('n1', 'cd /sys/class/dmi/id; cat sys_vendor product_name')).toBe(
    'QEMU\nStandard PC (i440FX + PIIX, 1996)\n',
  );
});
