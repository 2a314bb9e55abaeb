import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Screen } from '../support/cli.ts';
import { repository, TestLab } from '../support/lab.ts';

const lab = new TestLab();
const names = ['n1', 'n2', 'n3'];
beforeAll(async () => {
  await lab.importDefault('pc-x86-64-tiny');
  for (const name of names) await lab.bootyard('node', 'create', name, '--image', 'pc-x86-64-tiny');
  await lab.bootyard('node', 'wait', '--timeout', '280', 'my-nodes');
});
afterAll(() => lab.remove());

describe('ping and blink', () => {
  test('ping shows the answers of a node, as they come', async () => {
    const pinging = lab.spawn('node', 'ping', 'n1');
    let said = '';
    const first = new Promise<string>((resolve) => {
      pinging.stdout?.on('data', (chunk) => {
        said += String(chunk);
        if (said.includes('icmp_seq=1')) resolve(said);
      });
    });
    const ended = new Promise((resolve) => pinging.once('close', resolve));
    expect(await first).not.toContain('statistics');
    expect(await ended).toBe(0);
    expect(said).toMatch(/64 bytes from 192\.168\.152\.2: icmp_seq=10 /);
    expect(said).toContain('10 packets transmitted, 10 received');
  });

  test('ping of a set says which node does not answer; one that is off is refused', async () => {
    await lab.inNode('n3', 'echo 1 >/proc/sys/net/ipv4/icmp_echo_ignore_all');
    const silent = await lab.run('node', 'ping', 'n1,n3');
    expect(silent.stdout).toMatch(/^n1: 64 bytes from 192\.168\.152\.2: icmp_seq=10 /m);
    expect(silent.stdout).toMatch(/^n3: .* 100% packet loss/m);
    expect(silent).toMatchObject({ status: 1, stderr: 'Node n3 does not answer.\n' });
    await lab.bootyard('node', 'create', 'n4', '--image', 'pc-x86-64-tiny');
    await lab.bootyard('node', 'stop', 'n4');
    expect(await lab.run('node', 'ping', 'n4')).toEqual({
      status: 1,
      stdout: '',
      stderr: 'Node n4 is off.\n',
    });
    await lab.bootyard('node', 'remove', 'n4');
  });

  test('blink is what /bin/blink of the image does, and refused without one', async () => {
    const refused = await lab.run('node', 'blink', 'n1', '1');
    expect(refused).toEqual({
      status: 1,
      stdout: '',
      stderr: 'Blink request to n1 failed: /bin/blink unavailable or not executable on image\n',
    });
    await lab.inNode(
      'n1',
      `printf '#!/bin/sh\\necho "$1 $(cut -d. -f1 /proc/uptime)" >>/tmp/blinks\\n' >/bin/blink; chmod +x /bin/blink`,
    );
    await lab.bootyard('node', 'blink', 'n1', '3');
    const [on = [], off = []] = (await lab.inNode('n1', 'cat /tmp/blinks'))
      .split('\n')
      .map((line) => line.split(' '));
    expect([on[0], off[0]]).toEqual(['1', '0']);
    expect(Number(off[1]) - Number(on[1])).toBeGreaterThanOrEqual(2);
    // Left early, it ends at once all the same.
    const blinking = lab.spawn('node', 'blink', 'n1', '3600');
    const ended = new Promise((resolve) => blinking.once('close', resolve));
    await lab.inNode('n1', 'until [ $(wc -l </tmp/blinks) = 3 ]; do sleep 0.2; done');
    blinking.kill('SIGINT');
    expect(await ended).toBe(130);
    await lab.inNode('n1', 'until [ $(wc -l </tmp/blinks) = 4 ]; do sleep 0.2; done');
  });
});

test('run sums up what went wrong, node by node, in the order of the set', async () => {
  const script = 'echo on $(hostname); case $(hostname) in n1) exit 0;; n2) exit 3;; n3) exit 4;; esac';
  const outcome = await lab.run('node', 'run', 'n3,all-nodes', script);
  expect(outcome.stdout.split('\n').toSorted()).toEqual(['', 'n1: on n1', 'n2: on n2', 'n3: on n3']);
  expect(outcome).toMatchObject({ status: 1, stderr: 'n3: exit code 4\nn2: exit code 3\n' });
  expect(await lab.run('node', 'run', 'my-nodes', 'true')).toEqual({ status: 0, stdout: '', stderr: '' });
  const refused = await lab.run('node', 'shell', 'n1,n2');
  const sentence =
    "Sorry, 'n1,n2' is several nodes: name one; `bootyard node run` runs a command in all of them.\n";
  expect(refused).toMatchObject({ status: 1, stderr: sentence });
  const console = await lab.run('node', 'console', 'n1,n2');
  expect(console).toMatchObject({ status: 1, stderr: "Sorry, 'n1,n2' is several nodes: name one.\n" });
});

test('two shells in one node at once; both offer to connect again when it reboots', async () => {
  const open = () =>
    new Screen([join(repository, 'bin/bootyard'), 'node', 'shell', 'n2'], { ...lab.env, TERM: 'xterm' });
  const shells = [open(), open()];
  for (const [index, shell] of shells.entries()) {
    await shell.shows('Caution: changes outside /persist will be lost on next node reboot.');
    shell.type(`echo $((index=${index}))-$((6*7)) >/tmp/shell${index}; cat /tmp/shell*; echo so$((1)) \r`);
    await shell.shows('so1');
  }
  await lab.inNode('n2', 'cat /tmp/shell0 /tmp/shell1');
  await lab.bootyard('node', 'reboot', 'n2');
  for (const shell of shells) await shell.shows('The connection to n2 was lost. Connect again? (y/n)');
  for (const shell of shells) {
    const seen = shell.text.length;
    shell.type('y\r');
    await shell.shows('Caution:', seen);
    shell.type(`ls /tmp/shell*; echo again$((1)); exit 5\r`);
    await shell.shows('again1', seen);
    expect(shell.text.slice(seen)).toContain('No such file');
    expect(await shell.exit).toBe(5);
  }
});
