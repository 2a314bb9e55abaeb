import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestLab } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

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

/** Has the guest's firmware boot by HTTP next: `BootNext` (UEFI specification 2.10, 3.3), behind its attributes. */
const bootByHttpNext = `set -e
cd /sys/firmware/efi/efivars
id=8be4df61-93ca-11d2-aa0d-00e098032b8c
for option in Boot0*-$id; do
  tr -d '\\0' <"$option" | grep -q 'UEFI HTTPv4' || continue
  number=\${option#Boot}; number=\${number%%-*}
  busybox printf "\\007\\000\\000\\000\\x\${number#??}\\x\${number%??}" >BootNext-$id
  echo "$number"
done`;

test.runIf(isLong)(
  'UEFI whose user has it boot by HTTP fetches iPXE so',
  async () => {
    await lab.importDefault('pc-x86-64-default');
    await lab.bootyard('node', 'create', 'n2', '--image', 'pc-x86-64-default', 'firmware=uefi', 'ram=1G');
    await lab.bootyard('node', 'wait', '--timeout', '600', 'n2');
    expect(await lab.inNode('n2', bootByHttpNext)).toMatch(/^[0-9A-F]{4}\n$/);
    await lab.bootyard('node', 'reboot', '--hard', 'n2');
    await lab.bootyard('node', 'wait', '--timeout', '600', 'n2');
    const text = JSON.stringify((await lab.timeline('n2')).stages);
    expect(text).toContain('UEFI: Start HTTP Boot over IPv4');
    expect(text).toContain('http walt-x86-64-snponly.efi');
    expect(text).toContain('bootyard-stage1.ipxe');
  },
  1_500_000,
);
