import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BootyardError } from '../errors.ts';

/** Where distributions keep iPXE: Debian and Ubuntu, then Fedora, then Arch. */
const FOLDERS = ['/usr/lib/ipxe', '/boot', '/usr/share/ipxe', '/usr/share/ipxe/x86_64'];

/** The unmodified firmware files that nodes are given. */
export type FirmwareFile = 'ipxe.lkrn' | 'undionly.kpxe';

/** Path of a firmware file on the host, or one sentence that names the package. */
export function firmwarePath(file: FirmwareFile): string {
  const found = FOLDERS.map((folder) => join(folder, file)).find((path) => existsSync(path));
  if (found) return found;
  throw new BootyardError(
    'firmware.missing',
    `${file} is not installed (looked in ${FOLDERS.join(', ')}): install the package ipxe.`,
  );
}

const contents = new Map<FirmwareFile, Buffer>();

export function firmwareContent(file: FirmwareFile): Buffer {
  const known = contents.get(file);
  if (known) return known;
  const content = readFileSync(firmwarePath(file));
  contents.set(file, content);
  return content;
}
