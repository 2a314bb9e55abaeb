import { execFileSync } from 'node:child_process';
import * as z from 'zod';

/** A file capability as the kernel keeps it (linux/capability.h: VFS_CAP_REVISION_2, effective): CAP_CHOWN. */
export const CAP_CHOWN = Buffer.from('0100000201000000000000000000000000000000', 'hex');

const LIST = `
import json, os, sys
found = {}
for folder, folders, files in os.walk(b'.'):
    for path in [folder] + [os.path.join(folder, name) for name in files + [f for f in folders if os.path.islink(os.path.join(folder, f))]]:
        own = {name: os.getxattr(path, name, follow_symlinks=False).hex() for name in os.listxattr(path, follow_symlinks=False)}
        if own: found[path.decode('latin1')] = own
print(json.dumps(found))
`;
const Listed = z.record(z.string(), z.record(z.string(), z.string()));

/** Extended attributes of what is in a folder, as Python sees them: `./path` → name → hex. */
export function xattrsIn(folder: string): z.infer<typeof Listed> {
  return Listed.parse(JSON.parse(execFileSync('python3', ['-c', LIST], { cwd: folder, encoding: 'utf8' })));
}

/** Sets one, or takes it away. */
export function setXattr(path: string, name: string, value: Buffer | undefined): void {
  const call =
    value === undefined
      ? 'os.removexattr(sys.argv[1], sys.argv[2], follow_symlinks=False)'
      : 'os.setxattr(sys.argv[1], sys.argv[2], bytes.fromhex(sys.argv[3]), follow_symlinks=False)';
  const program = `import os, sys; ${call}`;
  execFileSync('python3', ['-c', program, path, name, value?.toString('hex') ?? '']);
}
