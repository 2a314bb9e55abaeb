import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { repository, TestLab } from '../support/lab.ts';
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

  test('the console is in the log line by line as text, and byte for byte', async () => {
    const odd = String.raw`\033[1modd\033[0m \377\303(\000 end\n`;
    await lab.inNode('vnode1', `printf '${odd}' >/dev/console; printf 'no end' >/dev/console`);
    const streams = ['--streams', '^virtualconsole$'];
    await lab.bootyard('log', 'wait', '--time-margin', '60', '--timeout', '60', ...streams, 'odd .* end$');
    // It waits, and the next line ends it.
    await lab.bootyard('log', 'wait', '--time-margin', '60', '--timeout', '60', ...streams, 'no end$');
    await lab.inNode('vnode1', 'echo last >/dev/console');
    await lab.bootyard('log', 'wait', '--time-margin', '60', '--timeout', '60', ...streams, 'last$');
    const show = `bin/bootyard log show --history full --raw --streams '^virtualconsole$'`;
    const file = join(lab.home, 'console');
    const options = { env: lab.env, cwd: repository };
    execFileSync(
      'sh',
      ['-c', `${show} >${file}; bin/bootyard node console vnode1 --save ${file}.sent`],
      options,
    );
    const [logged, sent] = [readFileSync(file), readFileSync(`${file}.sent`)];
    expect(logged.includes(Buffer.from('\x1b[1modd\x1b[0m \xff\xc3(\0 end\r\nno end', 'latin1'))).toBe(true);
    expect(logged.length).toBeGreaterThan(5000);
    expect(sent.subarray(0, logged.length).equals(logged)).toBe(true);
  });

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
