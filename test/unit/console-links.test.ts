import { describe, expect, test } from 'vitest';
import { consoleLinks } from '../../extension/nodes/console-links.ts';
import { node } from '../support/api-lab.ts';

const n1 = { ...node('n1'), mac: '52:54:00:00:00:01', ip: '192.168.152.2', image: 'tiny' };
const web = { ...node('web-1'), mac: '52:54:00:00:00:02', ip: '192.168.152.3' };
const found = (line: string): string[] =>
  consoleLinks(line, n1, [n1, web]).map(({ start, length, target }) => {
    const where =
      target.kind === 'file' ? target.path : `${target.node}${'port' in target ? ` ${target.port}` : ''}`;
    return `${line.slice(start, start + length)} > ${where}`;
  });

describe('links in the lines of a console', () => {
  test('names of other nodes, as words', () => {
    expect(found('ping web-1: web-1. (web-1) web-10 web-1.lan myweb-1 n1')).toEqual(
      Array.from({ length: 3 }, () => 'web-1 > web-1'),
    );
  });

  test('addresses of nodes, and ports of them', () => {
    expect(
      found(
        'from 192.168.152.3, 192.168.152.3:80 192.168.152.2 192.168.152.2:22 192.168.152.1 10.192.168.152.3',
      ),
    ).toEqual(['192.168.152.3 > web-1', '192.168.152.3:80 > web-1 80', '192.168.152.2:22 > n1 22']);
    expect(found('192.168.152.3:0 192.168.152.3:99999')).toEqual([]);
  });

  test('paths, as they stand in command lines and messages', () => {
    expect(found('Run /sbin/init as init; init=/bin/sh sh: /etc/fstab: not found, "/usr/bin/x"')).toEqual([
      '/sbin/init > /sbin/init',
      '/bin/sh > /bin/sh',
      '/etc/fstab > /etc/fstab',
      '/usr/bin/x > /usr/bin/x',
    ]);
    expect(found('http://ipxe.org/0a /a/../b //x 1/2 a/b /')).toEqual([]);
  });

  test('a line without end has few of them', () => {
    expect(found('/bin/sh '.repeat(100_000))).toHaveLength(20);
  });
});
