import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { guestFolder } from '../guest/injected.ts';
import { armFirmware } from '../lab/arm.ts';
import type { NodeFirmware } from './firmware.ts';

/** CONFIG_ENV_SIZE of U-Boot's qemu_arm64_defconfig, bytes. */
const ENVIRONMENT_SIZE = 0x40000;

/**
 * U-Boot, unmodified, and the medium with the first stage: on boards of WalT an SD card, here the machine's second flash
 * chip, where this U-Boot keeps its environment. Writes it into `folder`. `mac` stands in it as on real boards, and must:
 * U-Boot 2023.01 takes a virtio card's first byte for all six.
 */
export function ubootFirmware(folder: string, mac: string): NodeFirmware {
  const bios = armFirmware();
  const flash = join(folder, 'uboot-environment');
  mkdirSync(folder, { recursive: true });
  const bootcmd = readFileSync(join(guestFolder(), 'stage1.uboot'), 'latin1');
  writeFileSync(flash, ubootEnvironment({ bootcmd, bootdelay: '0', ethaddr: mac, ethrotate: 'no' }));
  return { bios, flash };
}

/**
 * A saved environment as U-Boot finds it in flash (env_t of its include/env_internal.h, without redundancy): CRC-32 of the
 * rest, little endian as the processor, then `name=value` texts that each end with a NUL, a NUL after the last, zeros.
 */
export function ubootEnvironment(variables: Readonly<Record<string, string>>): Buffer {
  const environment = Buffer.alloc(ENVIRONMENT_SIZE);
  const text = Object.entries(variables).map(([name, value]) => `${name}=${value}\0`);
  environment.write(text.join(''), 4, 'latin1');
  environment.writeUInt32LE(crc32(environment.subarray(4)), 0);
  return environment;
}
