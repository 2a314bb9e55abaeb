import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bufferSource } from '../../backend/protocols/file-source.ts';
import { negotiate } from '../../backend/protocols/tftp/negotiate.ts';
import { netasciiSource } from '../../backend/protocols/tftp/netascii.ts';
import {
  decode,
  encodeError,
  encodeOptionAck,
  writeDataHeader,
} from '../../backend/protocols/tftp/packets.ts';
import { requestedPath } from '../../backend/protocols/tftp/path.ts';
import { randomNumbers } from '../fixtures/dhcp/random.ts';

function captured(name: string): Buffer {
  const text = readFileSync(join(import.meta.dirname, '../fixtures/tftp', `${name}.hex`), 'utf8');
  return Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
}

describe('packets', () => {
  test("reads iPXE's request", () => {
    expect(decode(captured('ipxe-read'))).toEqual({
      op: 'read',
      file: 'start.ipxe',
      mode: 'octet',
      options: [
        ['blksize', '1432'],
        ['tsize', '0'],
      ],
    });
  });

  test("reads UEFI's request, which asks for a window", () => {
    const request = decode(captured('ovmf-read'));
    expect(request).toMatchObject({
      op: 'read',
      options: [
        ['tsize', '0'],
        ['blksize', '1468'],
        ['windowsize', '4'],
      ],
    });
  });

  test.each([
    ['nothing', ''],
    ['one byte', '\0'],
    ['an unknown operation', '\0\x09abc'],
    ['a request without mode', '\0\x01file\0'],
    ['a request without name', '\0\x01\0octet\0'],
    ['a request without any end', '\0\x01file'],
    ['a long request', `\0\x01${'x'.repeat(3000)}\0octet\0`],
    ['half an ACK', '\0\x04\0'],
    ['half an ERROR', '\0\x05\0'],
  ])('refuses %s', (_what, text) => {
    expect(decode(Buffer.from(text, 'latin1'))).toBeUndefined();
  });

  test('takes an ERROR without its last NUL, and no control characters from it', () => {
    expect(decode(Buffer.from('\0\x05\0\x08stop\x1b[2J', 'latin1'))).toEqual({
      op: 'error',
      code: 8,
      message: 'stop?[2J',
    });
  });

  test('never throws and never reads on', () => {
    const random = randomNumbers(2);
    for (let round = 0; round < 50_000; round++) {
      const packet = Buffer.alloc(random(100));
      for (let at = 0; at < packet.length; at++) packet[at] = random(at < 2 ? 7 : 256);
      expect(() => decode(packet)).not.toThrow();
    }
  });

  test('writes ERROR, OACK and DATA', () => {
    expect(encodeError(1, 'no')).toEqual(Buffer.from('\0\x05\0\x01no\0', 'latin1'));
    expect(encodeOptionAck([['tsize', '9']])).toEqual(Buffer.from('\0\x06tsize\x009\0', 'latin1'));
    const packet = new Uint8Array(4);
    writeDataHeader(packet, 65536 * 3 + 258);
    expect([...packet]).toEqual([0, 3, 1, 2]);
  });
});

describe('path', () => {
  test.each([
    ['start.ipxe', '/start.ipxe'],
    ['/boot//x', '/boot/x'],
    ['\\Boot\\BCD', '/Boot/BCD'],
    ['//server/x', '/server/x'],
    ['../../etc/passwd', '/etc/passwd'],
    ['a/./b/../c', '/a/c'],
    [
      'QEMU/Standard PC (i440FX + PIIX, 1996)/boot-params.ipxe',
      '/QEMU/Standard PC (i440FX + PIIX, 1996)/boot-params.ipxe',
    ],
    ['..', undefined],
    ['/', undefined],
    ['a\nb', undefined],
  ])('%s is %s', (file, path) => {
    expect(requestedPath(file)).toBe(path);
  });
});

describe('options', () => {
  const answerTo = (...options: [string, string][]) => negotiate(options, 1000, 1 << 20);

  test('none asked, none answered', () => {
    expect(answerTo()).toEqual({ accepted: [], blockSize: 512, windowSize: 1, timeoutMs: undefined });
  });

  test('are answered with what holds, in the spelling of the client', () => {
    expect(answerTo(['BLKSIZE', '1432'], ['tsize', '0'], ['TimeOut', '3'], ['windowsize', '16'])).toEqual({
      accepted: [
        ['BLKSIZE', '1432'],
        ['TimeOut', '3'],
        ['tsize', '1000'],
        ['windowsize', '16'],
      ],
      blockSize: 1432,
      windowSize: 16,
      timeoutMs: 3000,
    });
  });

  test.each([
    ['blksize', '7'],
    ['blksize', '-8'],
    ['blksize', '0x200'],
    ['blksize', ''],
    ['timeout', '0'],
    ['timeout', '256'],
    ['windowsize', '0'],
    ['windowsize', '65536'],
    ['multicast', ''],
    ['constructor', '1'],
  ])('%s=%s is passed over', (name, value) => {
    expect(answerTo([name, value]).accepted).toEqual([]);
  });

  test('are answered with less where they ask too much', () => {
    expect(answerTo(['blksize', '65535']).accepted).toEqual([['blksize', '65464']]);
    expect(answerTo(['blksize', '8192'], ['windowsize', '65535']).windowSize).toBe(128);
    expect(answerTo(['tsize', '77']).accepted).toEqual([['tsize', '1000']]);
  });

  test('count once', () => {
    expect(answerTo(['blksize', '1024'], ['BlkSize', '2048']).accepted).toEqual([['blksize', '1024']]);
  });
});

describe('netascii', () => {
  test('turns line ends and lone CRs into their two bytes', () => {
    const source = netasciiSource(bufferSource(Buffer.from('a\nb\rc\r\n')), 100);
    const target = Buffer.alloc(100);
    expect(target.toString('latin1', 0, source?.read(target, 0))).toBe('a\r\nb\r\0c\r\0\r\n');
    expect(source?.size).toBe(11);
  });

  test('has a limit', () => {
    expect(netasciiSource(bufferSource(Buffer.alloc(101)), 100)).toBeUndefined();
  });
});
