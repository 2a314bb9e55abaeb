import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestLab } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

describe.runIf(isLong)('what programs of a node log', () => {
  const lab = new TestLab();
  beforeAll(async () => {
    await lab.importDefault('pc-x86-64-tiny');
    await lab.bootyard('node', 'create', '--wait', 'vnode1', '--image', 'pc-x86-64-tiny');
    await lab.bootyard('node', 'cp', '/usr/bin/script', 'vnode1:/usr/bin/script');
  });
  afterAll(() => lab.remove());

  /** Lines of the streams that match, when the command has told that it ended. */
  async function logged(streams: string): Promise<string> {
    const found = ['--streams', streams, '--time-margin', '60', '--timeout', '60'];
    await lab.bootyard('log', 'wait', ...found, '^END$');
    return await lab.bootyard('log', 'show', '--history', 'full', '--format', '{line}', '--streams', streams);
  }

  test('walt-log-monitor gives a command a terminal, and logs what it prints', async () => {
    const program = 'test -t 1 && test -t 2 && echo "out $(readlink /proc/$$/fd/1)"; echo err >&2; exit 3';
    await lab.inNode('vnode1', `printf '%s' '${program}' >/tmp/program`);
    const { status, stdout } = await lab.run('node', 'run', 'vnode1', 'walt-log-monitor sh /tmp/program');
    expect({ status, stdout }).toEqual({
      status: 3,
      stdout: expect.stringMatching(/^out \/dev\/pts\/\d+\r\nerr\r\n$/) as string,
    });
    expect(await logged('^sh\\.[0-9]+\\.monitor$')).toMatch(/^START\nout \/dev\/pts\/\d+\nerr\nEND\n$/);
  });

  test('MONITOR has the command line of a process run as it asks, with its environment, folder and terminal', async () => {
    const client = `in=/tmp/walt-monitor-stdin-$$.fifo out=/tmp/walt-monitor-stdout-$$.fifo
      mkfifo -m 600 $in $out
      echo MONITOR $$ 0 0 33 77 >/var/lib/walt/logs.fifo
      echo typed >$in &
      cat $out`;
    const program = 'echo "$WORDS in $PWD"; stty size; read -r line; echo "got $line"';
    await lab.inNode(
      'vnode1',
      `cat >/tmp/client <<'END'\n${client}\nEND\nprintf '%s' '${program}' >/tmp/mine`,
    );
    const asked = await lab.inNode('vnode1', `cd /etc; WORDS='two  words' sh /tmp/client ash /tmp/mine`);
    // What is typed is seen as in any terminal, by whoever is faster.
    expect(asked.replace('typed\r\n', '')).toBe('two  words in /etc\r\n33 77\r\ngot typed\r\n');
    const lines = await logged('^ash\\.[0-9]+\\.monitor$');
    expect(lines.replace('\ntyped', '')).toBe('START\ntwo  words in /etc\n33 77\ngot typed\nEND\n');
  });

  test('MONITOR runs nothing for those who are not root', async () => {
    const client = `in=/tmp/walt-monitor-stdin-$$.fifo out=/tmp/walt-monitor-stdout-$$.fifo
      mkfifo $in $out; chmod 666 $in $out
      echo MONITOR $$ 0 0 33 77 >/var/lib/walt/logs.fifo
      cat $out`;
    await lab.inNode('vnode1', `printf '%s' '${client}' >/tmp/other; chmod 755 /tmp/other`);
    const asNobody =
      'start-stop-daemon -S -c 65534:65534 -p /tmp/none -x /bin/busybox -- sh /tmp/other touch /tmp/mischief';
    expect(await lab.inNode('vnode1', asNobody)).toBe('Only root can have its commands monitored.\n');
    expect(await lab.inNode('vnode1', 'ls /tmp')).not.toContain('mischief');
  });
});
