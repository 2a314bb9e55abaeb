import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { modelFor, nodeModel } from '../../backend/boot/models.ts';
import { ubootEnvironment, ubootFirmware } from '../../backend/boot/uboot.ts';
import { armFirmware, checkArm } from '../../backend/lab/arm.ts';
import { boardOf } from '../../backend/nodes/machines/board.ts';
import { deviceTree } from '../../backend/nodes/machines/device-tree.ts';
import { checkModelSettings, modelSettings } from '../../backend/nodes/machines/model-settings.ts';
import { qemuArguments } from '../../backend/nodes/qemu.ts';
import { nodeDefaults } from '../../backend/nodes/settings.ts';
import { openDatabase } from '../../backend/state/database.ts';
import { usedModels } from '../../backend/state/node-models.ts';

const folder = mkdtempSync(join(tmpdir(), 'by-arm-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MAC = '52:54:00:01:02:03';
const machine = {
  model: 'qemu-arm-64',
  name: 'arm1',
  mac: MAC,
  settings: { ...nodeDefaults, ram: '1G', 'cpu.cores': 3 },
};

/** Runs `work` where no program can be found. */
function withoutPrograms<T>(work: () => T): T {
  const { PATH } = process.env;
  process.env.PATH = folder;
  try {
    return work();
  } finally {
    process.env.PATH = PATH;
  }
}

describe('models', () => {
  test('a node without one gets the usual model, unless its image serves only others', () => {
    expect(modelFor()).toBe('pc-x86-64');
    expect(modelFor(['qemu-arm-64', 'pc-x86-64'])).toBe('pc-x86-64');
    expect(modelFor(['rpi-3-b', 'qemu-arm-64'])).toBe('qemu-arm-64');
    expect(modelFor(['rpi-3-b'])).toBe('pc-x86-64');
    expect(() => nodeModel('rpi-3-b')).toThrow(
      "No node model is named 'rpi-3-b'; there are pc-x86-64, qemu-arm-64.",
    );
  });

  test('settings that mean nothing to one are refused and not listed', () => {
    const firmware = () => checkModelSettings('arm1', 'qemu-arm-64', { ram: '1G', firmware: 'pxe' });
    expect(firmware).toThrow('arm1 is a qemu-arm-64 node, which starts with U-Boot');
    expect(() => checkModelSettings('n1', 'pc-x86-64', { firmware: 'pxe' })).not.toThrow();
    const foreign = process.arch === 'arm64' ? 'pc-x86-64' : 'qemu-arm-64';
    expect(() => checkModelSettings('n1', foreign, { accel: 'kvm' })).toThrow("so 'accel' setting cannot");
    expect(() => checkModelSettings('n1', foreign, { accel: 'tcg' })).not.toThrow();
    expect(modelSettings('qemu-arm-64', nodeDefaults)).not.toHaveProperty('firmware');
    expect(modelSettings('pc-x86-64', nodeDefaults)).toEqual(nodeDefaults);
  });

  test('those that a lab’s nodes have can be read from outside', () => {
    const file = join(folder, 'state.db');
    expect(usedModels(file)).toEqual([]);
    const { sqlite } = openDatabase(file);
    const add = sqlite.prepare(
      "INSERT INTO nodes (mac, name, ip, model, image, settings) VALUES (?, ?, ?, ?, 'i', '{}')",
    );
    for (const [at, model] of ['qemu-arm-64', 'pc-x86-64', 'qemu-arm-64'].entries())
      add.run(`m${at}`, `n${at}`, `1.1.1.${at}`, model);
    expect(usedModels(file).toSorted()).toEqual(['pc-x86-64', 'qemu-arm-64']);
    sqlite.close();
    writeFileSync(file, 'not a database');
    expect(usedModels(file)).toEqual([]);
  });
});

describe('U-Boot', () => {
  test('its environment is what mkenvimage writes', () => {
    const variables = { bootcmd: 'echo a=b; dhcp; reset', ethaddr: MAC };
    const text = join(folder, 'variables');
    writeFileSync(text, `bootcmd=${variables.bootcmd}\nethaddr=${MAC}\n`);
    const file = join(folder, 'environment');
    execFileSync('mkenvimage', ['-s', String(0x40000), '-p', '0', '-o', file, text]);
    const wanted = readFileSync(file);
    expect(ubootEnvironment(variables).equals(wanted)).toBe(true);
  });

  test('starts with the first stage in flash, and the card’s address, which it cannot read', () => {
    const { bios, flash = '' } = ubootFirmware(folder, MAC);
    const environment = readFileSync(flash, 'latin1');
    expect(environment.slice(4)).toMatch(/^bootcmd=# Stage 1/);
    expect(environment).toContain('setenv bootp_vci walt.node.qemu-arm-64\n');
    expect(environment).toContain(`\0ethaddr=${MAC}\0`);
    const argv = qemuArguments(
      machine,
      {
        cards: [{ network: 'walt-net', mac: MAC, tap: 't', shaper: undefined }],
        consoleLog: '/l',
        consoleSocket: '/c',
        controlSocket: '/d',
        debugSocket: '/g',
        qmpSocket: '/q',
        disks: [],
        bios,
        flash: '/f,1',
      },
      'tcg',
      'single',
    );
    expect(argv[0]).toBe('qemu-system-aarch64');
    expect(argv).toContain('loader,file=/f,,1,addr=67108864,force-raw=on');
    expect(argv[argv.indexOf('-bios') + 1]).toBe(bios);
    expect(argv).toContain(`virtio-net-pci,netdev=net0,mac=${MAC},romfile=`);
    expect(argv).not.toContain('-kernel');
  });

  test('what is missing is one sentence with the packages', () => {
    expect(checkArm()).toMatchObject({ level: 'ok' });
    expect(withoutPrograms(checkArm)).toMatchObject({
      level: 'warn',
      message: 'qemu-system-aarch64 not found: nodes of this model cannot boot',
      fix: expect.stringContaining('qemu-system-arm') as string,
    });
    expect(() => withoutPrograms(armFirmware)).toThrow(
      /^qemu-arm-64 nodes need qemu-system-aarch64, not found on this machine: run '.*qemu-system-arm'\.$/,
    );
  });
});

describe('the device tree', () => {
  /** What fdtget prints of a property. */
  const property = (tree: Buffer, node: string, name: string, type = 's'): string => {
    const file = join(folder, 'tree');
    writeFileSync(file, tree);
    return execFileSync('fdtget', ['-t', type, file, node, name], { encoding: 'utf8' }).trim();
  };
  const processors = (tree: Buffer): number => tree.toString('latin1').split('cpu@').length - 1;

  test('is that of the machine with its settings, without the room that QEMU leaves', async () => {
    const { bios } = ubootFirmware(folder, MAC);
    const tree = await deviceTree(machine, 'tcg', { bios, folder });
    if (!tree) throw new Error('no device tree');
    expect(tree.length).toBeLessThan(64 * 1024);
    expect(processors(tree)).toBe(3);
    expect(property(tree, '/', 'compatible')).toBe('linux,dummy-virt');
    expect(property(tree, '/memory@40000000', 'reg', 'x')).toBe('0 40000000 0 40000000');
    // Without firmware QEMU gives the machine a chip that is not there with it: a kernel that looks for it dies.
    expect(tree.includes('pl061')).toBe(false);
    expect((await deviceTree(machine, 'tcg', { folder }))?.includes('pl061')).toBe(true);
  });

  test('a PC has none; a machine that QEMU refuses is a sentence', async () => {
    expect(boardOf('pc-x86-64').hasDeviceTree).toBe(false);
    expect(await deviceTree({ ...machine, model: 'pc-x86-64' }, 'tcg', { folder })).toBeUndefined();
    const huge = { ...machine, settings: { ...machine.settings, 'cpu.cores': 9999 } };
    await expect(deviceTree(huge, 'tcg', { folder })).rejects.toMatchObject({ code: 'lab.tool' });
  });
});
