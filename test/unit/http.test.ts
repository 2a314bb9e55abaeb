import { describe, expect, it } from 'vitest';
import { parseRange } from '../../backend/protocols/range.ts';
import { parseTarget } from '../../backend/protocols/http/request-target.ts';

describe('request target', () => {
  const path = (target: string): string | number => {
    const parsed = parseTarget(target);
    return 'status' in parsed ? parsed.status : parsed.path;
  };
  it('is the path below /boot, decoded', () => {
    expect(path('/boot/start.ipxe')).toBe('/start.ipxe');
    expect(path('/boot//a/./b')).toBe('/a/b');
    const submodel = '/QEMU/Standard PC (i440FX + PIIX, 1996)/boot-params.ipxe';
    expect(path('/boot/QEMU/Standard%20PC%20%28i440FX%20%2B%20PIIX%2C%201996%29/boot-params.ipxe')).toBe(
      submodel,
    );
    expect(path('/boot/QEMU/Standard PC (i440FX + PIIX, 1996)/boot-params.ipxe')).toBe(submodel);
    expect(path('http://192.168.152.1/boot/kernel')).toBe('/kernel');
    expect(path('/boot/%C3%A9#x?y')).toBe('/é');
  });
  it('cannot leave /boot', () => {
    for (const target of [
      '/boot/../etc/passwd',
      '/boot/%2e%2e/etc',
      '/boot/a/..%2f..%2fx',
      '/boot/..%5c..%5cx',
    ]) {
      expect(path(target)).toBe(404);
    }
    expect(path('/boot/a/../../boot/b')).toBe('/b');
    for (const target of ['/', '/boot', '/boot/', '/bootx/a', '/etc/passwd']) expect(path(target)).toBe(404);
  });
  it('is refused when it is nonsense', () => {
    for (const target of [
      '/boot/%',
      '/boot/%zz',
      '/boot/%ff',
      '/boot/a%00b',
      '/boot/a%0ab',
      '/boot/%1b[2J',
      '*',
      '',
    ]) {
      expect(path(target)).toBe(400);
    }
    expect(path(`/boot/${'a'.repeat(4096)}`)).toBe(414);
  });
  it('has a query', () => {
    const parsed = parseTarget('/boot/a?node_ip=192.168.152.7&x=%20y?');
    expect('query' in parsed && [...parsed.query]).toEqual([
      ['node_ip', '192.168.152.7'],
      ['x', ' y?'],
    ]);
  });
});

describe('Range', () => {
  it('takes one range of bytes', () => {
    expect(parseRange('bytes=0-0', 10)).toEqual({ first: 0, last: 0 });
    expect(parseRange('bytes=3-', 10)).toEqual({ first: 3, last: 9 });
    expect(parseRange('bytes=3-99', 10)).toEqual({ first: 3, last: 9 });
    expect(parseRange('bytes=-4', 10)).toEqual({ first: 6, last: 9 });
    expect(parseRange('bytes=-40', 10)).toEqual({ first: 0, last: 9 });
    expect(parseRange('bytes=0-99999999999999999999', 10)).toEqual({ first: 0, last: 9 });
  });
  it('cannot satisfy what lies outside', () => {
    for (const header of ['bytes=10-', 'bytes=10-12', 'bytes=-0', 'bytes=99999999999999999999-']) {
      expect(parseRange(header, 10)).toBe('unsatisfiable');
    }
    expect(parseRange('bytes=0-', 0)).toBe('unsatisfiable');
    expect(parseRange('bytes=-1', 0)).toBe('unsatisfiable');
  });
  it('follows nothing else', () => {
    for (const header of [
      undefined,
      '',
      'bytes=',
      'bytes=-',
      'bytes=5-3',
      'bytes=0-1,4-5',
      'items=0-1',
      'bytes=a-b',
    ]) {
      expect(parseRange(header, 10)).toBeUndefined();
    }
  });
});
