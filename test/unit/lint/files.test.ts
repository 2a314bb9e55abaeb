import { expect, test } from 'vitest';
import { file, folder, link } from '../images/support.ts';
import { bytes, expectCase, goodEntries, type LintCase, lintLayers, program } from './support.ts';

const capability = new Map([['security.capability', Buffer.from('01000002002000000000000000000000', 'hex')]]);
const ID = '0123456789abcdef0123456789abcdef\n';

/** The good image with /bin in /usr. */
function merged() {
  const entries = [...goodEntries().values()].filter(({ path }) => path !== 'bin');
  const moved = entries.map((entry) => ({ ...entry, path: entry.path.replace(/^bin\//, 'usr/bin/') }));
  return [link('bin', 'usr/bin'), folder('usr'), folder('usr/bin'), ...moved];
}

const cases: LintCase[] = [
  [
    'a file with capabilities',
    { put: [bytes('usr/bin/ping', Buffer.from('x'), { xattrs: capability })] },
    [['files.capabilities', '/usr/bin/ping', 'NFS version 3 cannot carry']],
  ],
  [
    'one that is setuid root as well',
    { put: [bytes('usr/bin/ping', Buffer.from('x'), { xattrs: capability, mode: 0o4755 })] },
    [],
  ],
  [
    'other attributes',
    { put: [bytes('usr/bin/x', Buffer.from('x'), { xattrs: new Map([['user.note', Buffer.from('x')]]) })] },
    [],
  ],
  [
    'an id of a machine',
    { put: [file('etc/machine-id', ID), file('var/lib/dbus/machine-id', ID)] },
    [
      ['identity.machine-id', '/etc/machine-id', 'all nodes of the image share it'],
      ['identity.machine-id', '/var/lib/dbus/machine-id', 'all nodes'],
    ],
  ],
  [
    'a machine-id that is made at boot',
    { put: [file('etc/machine-id', 'uninitialized\n'), link('var/lib/dbus/machine-id', '/etc/machine-id')] },
    [],
  ],
  [
    'host keys',
    {
      put: [
        file('etc/ssh/ssh_host_rsa_key', '-----BEGIN OPENSSH PRIVATE KEY-----\n'),
        file('etc/ssh/ssh_host_rsa_key.pub', 'ssh-rsa'),
        file('etc/dropbear/dropbear_rsa_host_key', 'x'),
      ],
    },
    [
      ['identity.host-keys', '/etc/ssh/ssh_host_rsa_key', 'pass itself off'],
      ['identity.host-keys', '/etc/dropbear/dropbear_rsa_host_key', 'pass itself off'],
    ],
  ],
  ['no /lib64', { remove: ['lib64'] }, []],
  [
    'a /lib64 that leads nowhere',
    { put: [link('lib64', 'usr/lib64')] },
    [['usr.dangling', '/lib64', 'no link to one']],
  ],
  [
    '/lib in /usr, and the others not',
    {
      put: [
        link('lib64', 'usr/lib64'),
        folder('usr/lib64'),
        link('sbin', 'usr/sbin'),
        program('usr/sbin/init'),
      ],
      remove: ['sbin'],
    },
    [['usr.half-merged', '/bin', '/bin, /lib are folders']],
  ],
];

test.each(cases)('files: %s', async (...row) => expectCase(row));

test('a merged /usr is whole, until a layer puts a folder in the place of a link', async () => {
  const all = [...merged()];
  const linked = (name: string) => all.filter(({ path }) => path !== name && !path.startsWith(`${name}/`));
  expect(linked('nothing').length).toBe(all.length);
  const found = await lintLayers([all, [folder('bin'), program('bin/tool')]]);
  expect(found.map(({ rule, path }) => [rule, path])).toContainEqual(['usr.link-replaced', '/bin']);
  const hit = found.find(({ rule }) => rule === 'usr.link-replaced');
  expect(hit?.message).toContain('a link to usr/bin in layer 1');
  expect(found.map(({ rule }) => rule)).toContain('busybox.missing');
  const below = await lintLayers([all, [program('bin/tool')]]);
  expect(below.filter(({ severity }) => severity === 'error')).toEqual([]);
});
