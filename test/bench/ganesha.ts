import type { ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const GANESHA = { nfsPort: 12049, mountPort: 12048 };

/**
 * Starts nfs-ganesha, and the rpcbind that it needs, by `start` (port, program, arguments). Both keep their sockets in /run,
 * which the namespace has for itself. VFS back end, default settings; its files are in `folder`.
 */
export async function startGanesha(
  start: (port: number, program: string, ...args: string[]) => Promise<ChildProcess>,
  folder: string,
  { path, access }: { path: string; access: 'RO' | 'RW' },
): Promise<ChildProcess> {
  for (const needed of ['/run/ganesha', '/run/rpcbind', '/var/lib/nfs/ganesha'])
    mkdirSync(needed, { recursive: true });
  const configuration = join(folder, 'ganesha.conf');
  const { nfsPort, mountPort } = GANESHA;
  writeFileSync(
    configuration,
    `NFS_CORE_PARAM { NFS_Port = ${nfsPort}; MNT_Port = ${mountPort}; Protocols = 3; Enable_NLM = false; Enable_RQUOTA = false; }
EXPORT { Export_Id = 1; Path = ${path}; Pseudo = /export; Access_Type = ${access}; Squash = None; Protocols = 3;
  SecType = sys; FSAL { Name = VFS; } }
`,
  );
  await start(111, 'rpcbind', '-f', '-w');
  const files = ['-f', configuration, '-L', join(folder, 'ganesha.log'), '-p', '/run/ganesha.pid'];
  return await start(nfsPort, 'ganesha.nfsd', '-F', ...files);
}
