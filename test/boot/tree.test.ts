import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeTar } from '../../backend/images/tar/tar-writer.ts';
import { defaultImageTar } from '../support/default-image.ts';
import { repository, TestLab } from '../support/lab.ts';

const lab = new TestLab();
const folder = mkdtempSync(join(tmpdir(), 'by-tree-'));
let expected: Map<string, string>;

beforeAll(async () => {
  const { tar, labels } = await defaultImageTar('pc-x86-64-tiny');
  const copy = join(folder, 'root.tar');
  copyFileSync(tar, copy);
  const list = execFileSync('python3', [join(repository, 'test/support/odd-entries.py'), copy], {
    encoding: 'utf8',
  });
  expected = byPath(list);
  const flags = Object.entries(labels).flatMap(([key, value]) => ['--label', `${key}=${value}`]);
  await lab.bootyard('image', 'import', copy, 'odd', ...flags);
  await lab.bootyard('node', 'create', 'n1', '--image', 'odd');
  await lab.bootyard('node', 'wait', '--timeout', '280', 'n1');
});
afterAll(async () => {
  await lab.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** What the lab puts on top of an image. */
const injected =
  /^(boot\/pc-x86-64\/server-params\.ipxe$|s?bin\/(walt-|_walt_internal_)|usr\/bin\/(walt-|_walt_internal_)|etc\/(hosts|hostname|resolv\.conf|localtime|ssh|dropbear)|etc\/docker\/certs\.d\/registry\.walt:5000\/ca\.crt$|root\/\.ssh|usr\/local\/bin\/walt-echo)/;

test('the tree that a guest sees equals the tar: names, types, modes, owners, links, devices, sizes, content', async () => {
  const { mac } = await lab.node('n1');
  const options = 'ro,vers=3,nolock,nocto,actimeo=3600';
  const list = [
    `mkdir -p /tmp/t && mount -t nfs -o ${options} 192.168.152.1:/var/lib/walt/nodes/${mac}/fs /tmp/t && cd /tmp/t`,
    `find . -type f -exec md5sum {} + > /tmp/sums`,
    `find . -mindepth 1 -exec stat -c '%n|%F|%a|%u|%g|%s|%t:%T|%h|%Y|' {} +`,
    `echo ==links; find . -type l -exec sh -c 'for f; do echo "$f|$(readlink "$f")"; done' sh {} +`,
    `echo ==sums; cat /tmp/sums`,
  ].join('; ');
  const seen = guestTree(await lab.inNode('n1', list));
  const differences: string[] = [];
  for (const [path, line] of expected) {
    if (!injected.test(path) && seen.get(path) !== line) differences.push(`- ${line}\n+ ${seen.get(path)}`);
  }
  // Folders that the archive does not name exist all the same; nothing else may.
  for (const [path, line] of seen) {
    if (!expected.has(path) && !injected.test(path) && !line.includes('|directory|'))
      differences.push(`+ ${line}`);
  }
  expect(differences).toEqual([]);
  expect(expected.size).toBeGreaterThan(200);
});

test('the root of the node is read-only at the server: nothing changes the image', async () => {
  const { status } = await lab.run('node', 'run', 'n1', 'mount -o remount,rw /tmp/t; touch /tmp/t/odd/new');
  expect(status).not.toBe(0);
  expect(await lab.inNode('n1', 'ls /tmp/t/odd | grep -c new; true')).toBe('0\n');
});

test('extended attributes, which NFS cannot carry, are a warning of the import', async () => {
  const ping = { path: 'etc/ping', type: 'file' as const, mode: 0o755, content: Buffer.from('x') };
  const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');
  const tar = join(folder, 'capable.tar');
  writeTar(tar, [{ ...ping, xattrs: new Map([['security.capability', capability]]) }]);
  const { status, stdout, stderr } = await lab.run('image', 'import', tar, 'capable');
  expect([status, stdout]).toEqual([0, 'New image capable saved.\n']);
  expect(stderr).toContain(
    "WARNING: 1 entry has extended attributes ('security.capability' of '/etc/ping'), which nodes only see in hybrid boot: NFS version 3 cannot carry them.\n",
  );
});

function byPath(list: string): Map<string, string> {
  const lines = list.split('\n').filter((line) => line !== '');
  return new Map(lines.map((line) => [line.slice(0, line.indexOf('|')), line]));
}

/** The guest's list in the form of `odd-entries.py`. */
function guestTree(output: string): Map<string, string> {
  const [stats = '', rest = ''] = output.split('==links\n');
  const [linkList = '', sumList = ''] = rest.split('==sums\n');
  const targets = new Map(
    linkList.split('\n').map((line) => [line.slice(2, line.indexOf('|')), line.slice(line.indexOf('|') + 1)]),
  );
  const sums = new Map(sumList.split('\n').map((line) => [line.slice(36), line.slice(0, 32)]));
  const tree = new Map<string, string>();
  for (const line of stats.split('\n').filter((text) => text !== '')) {
    const [name = '', kind = '', mode, uid, gid, size, device, links, mtime] = line.split('|');
    const path = name.slice(2);
    const isFile = kind.startsWith('regular');
    const isLink = kind === 'symbolic link';
    const extra = isFile ? (sums.get(path) ?? '') : isLink ? (targets.get(path) ?? '') : '';
    const fields = [
      path,
      kind,
      mode,
      uid,
      gid,
      isFile || isLink ? size : '',
      device,
      isFile ? links : '',
      mtime,
      extra,
    ];
    tree.set(path, fields.join('|'));
  }
  return tree;
}
