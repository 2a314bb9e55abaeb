import { gzipSync } from 'node:zlib';
import { test } from 'vitest';
import { writeCpio } from '../../../backend/boot/initrd-cpio.ts';
import { bytes, expectCase, GOOD_INITRD, type LintCase, PC } from './support.ts';

const files = GOOD_INITRD.map((path) => ({
  type: 'file' as const,
  path,
  mode: 0o644,
  content: Buffer.alloc(0),
}));
const big = { type: 'file' as const, path: 'big', mode: 0o644, content: Buffer.alloc(245 << 20) };

const middle = { ...big, content: Buffer.alloc(80 << 20) };

const cases: LintCase[] = [
  [
    'an initrd that does not fit',
    { put: [bytes(`${PC}/initrd`, gzipSync(writeCpio([...files, big])))] },
    [['size.boot-memory', `/${PC}/initrd`, 'the unpacked initrd 257 MB']],
  ],
  [
    'an image that the usual disk of a hybrid node cannot hold',
    { sizeBytes: 20e9 },
    [
      ['size.hybrid-disk', '/', '20.0 GB'],
      ['size.ram-root', '/', '20.0 GB'],
    ],
  ],
  ['an image that is large for RAM', { sizeBytes: 5e9 }, [['size.ram-root', '/', '5.0 GB']]],
  [
    'an initrd that does not fit the memory of a small node, and fits the usual one',
    { put: [bytes(`${PC}/initrd`, gzipSync(writeCpio([...files, middle])))], ramBytes: 2 ** 27 },
    [['size.boot-memory', `/${PC}/initrd`, 'a node with 128 MB of memory']],
  ],
  ['the same on a usual node', { put: [bytes(`${PC}/initrd`, gzipSync(writeCpio([...files, middle])))] }, []],
  ['an image that is large for RAM fits a larger node', { sizeBytes: 5e9, ramBytes: 2 ** 30 }, []],
  ['an image of usual size', { sizeBytes: 1e9 }, []],
];

test.each(cases)('size: %s', async (...row) => expectCase(row));
