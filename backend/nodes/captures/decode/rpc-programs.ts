import { lineOf } from './summary.ts';

export interface Program {
  name: string;
  procedures: readonly string[];
}

/** Programs of NFS version 3 by their numbers: RFC 1813, RFC 1833. */
export const PROGRAMS: Readonly<Record<number, Program>> = {
  100000: { name: 'PORTMAP', procedures: ['NULL', 'SET', 'UNSET', 'GETPORT', 'DUMP', 'CALLIT'] },
  100003: {
    name: 'NFS',
    procedures: [
      ...[
        'NULL',
        'GETATTR',
        'SETATTR',
        'LOOKUP',
        'ACCESS',
        'READLINK',
        'READ',
        'WRITE',
        'CREATE',
        'MKDIR',
        'SYMLINK',
      ],
      ...[
        'MKNOD',
        'REMOVE',
        'RMDIR',
        'RENAME',
        'LINK',
        'READDIR',
        'READDIRPLUS',
        'FSSTAT',
        'FSINFO',
        'PATHCONF',
        'COMMIT',
      ],
    ],
  },
  100005: { name: 'MOUNT', procedures: ['NULL', 'MNT', 'DUMP', 'UMNT', 'UMNTALL', 'EXPORT'] },
  100021: { name: 'NLM', procedures: ['NULL'] },
  100227: { name: 'NFSACL', procedures: ['NULL', 'GETACL', 'SETACL'] },
};

/** Procedures of NFS whose second argument, behind a file handle, is a name. */
const NAMED = new Set(['LOOKUP', 'CREATE', 'MKDIR', 'SYMLINK', 'MKNOD', 'REMOVE', 'RMDIR', 'RENAME']);

/** What is worth telling of a call's arguments; '' for those that are cut short. */
export function callArguments(program: string, procedure: string, body: Buffer): string {
  if (program === 'MOUNT' && ['MNT', 'UMNT'].includes(procedure)) return opaque(body, 0)?.text ?? '';
  if (program === 'PORTMAP' && procedure === 'GETPORT' && body.length >= 8) {
    const number = body.readUInt32BE(0);
    return `of ${PROGRAMS[number]?.name ?? number} version ${body.readUInt32BE(4)}`;
  }
  if (program !== 'NFS') return '';
  const handle = opaque(body, 0);
  if (!handle) return '';
  if (NAMED.has(procedure)) return opaque(body, handle.end)?.text ?? '';
  if (!['READ', 'WRITE'].includes(procedure) || handle.end + 12 > body.length) return '';
  return `${body.readUInt32BE(handle.end + 8)} bytes at ${body.readBigUInt64BE(handle.end)}`;
}

/** A length and as many bytes, up to the next multiple of 4 (RFC 4506 §4.10). */
function opaque(body: Buffer, at: number): { text: string; end: number } | undefined {
  if (at + 4 > body.length) return undefined;
  const length = body.readUInt32BE(at);
  const end = at + 4 + Math.ceil(length / 4) * 4;
  return end > body.length ? undefined : { text: lineOf(body.subarray(at + 4, at + 4 + length)), end };
}
