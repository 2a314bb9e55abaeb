import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestLab, until } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

const lab = new TestLab();
beforeAll(async () => {
  await lab.importDefault('pc-x86-64-tiny');
  await lab.bootyard('node', 'create', '--wait', 'vnode1', '--image', 'pc-x86-64-tiny');
});
afterAll(() => lab.remove());

const say = (script: string): Promise<string> => lab.inNode('vnode1', `(${script}) >/dev/console`);
const consoleText = (): Promise<string> => lab.bootyard('node', 'console', 'vnode1');
async function replay(...words: string[]): Promise<{ text: string; seconds: number }> {
  const began = performance.now();
  const text = await lab.bootyard('node', 'console', 'vnode1', '--replay', ...words);
  return { text, seconds: (performance.now() - began) / 1000 };
}

test('the console is played again, byte by byte, with the pauses of the recording', async () => {
  const whole = await consoleText();
  expect(whole).toContain('SeaBIOS');
  const fast = await replay('--speed', '1000000');
  expect(fast.text).toBe(whole);
  await say('echo one; sleep 6; echo two');
  const last = await replay('-12s:');
  expect(last.text).toMatch(/one\r\n[^]*two\r\n/);
  expect(last.text.length).toBeLessThan(whole.length);
  expect(last.seconds).toBeGreaterThan(5);
  // The pause is a third of what it was, whatever the command itself takes on this host.
  const third = await replay('-60s:', '--speed', '1000000');
  expect(third.text).toContain('two');
});

test('nothing is lost while no daemon runs: it is shown at once, where it belongs', async () => {
  await say('echo before; (sleep 2; for i in 1 2 3; do echo alone$i; sleep 0.5; done) &');
  const { daemon } = await lab.status();
  // Stopped, it comes back only when it is killed: the guest prints meanwhile.
  process.kill(daemon?.pid ?? 0, 'SIGSTOP');
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, 8_000);
  await promise;
  process.kill(daemon?.pid ?? 0, 'SIGKILL');
  await until(
    'a new daemon',
    () => lab.run('lab', 'status', '--json'),
    ({ status, stdout }) => status === 0 && !stdout.includes(`"pid": ${daemon?.pid},`),
  );
  await say('echo after');
  const { text } = await replay('--speed', '1000000');
  expect(text).toBe(await consoleText());
  expect(text).toMatch(/before\r\n[^]*alone1\r\nalone2\r\nalone3\r\n[^]*after\r\n/);
  const streams = ['--streams', '^virtualconsole$'];
  await lab.bootyard('log', 'wait', '--time-margin', '60', '--timeout', '60', ...streams, 'after$');
  const logged = await lab.bootyard('log', 'show', '--history', 'full', '--raw', ...streams);
  expect(logged.split('alone2\r\n')).toHaveLength(2);
  expect(logged).toContain('alone1\r\nalone2\r\nalone3\r\n');
});

test.runIf(isLong)(
  'a power-on begins the recording anew, and there is one of a node that is off',
  async () => {
    await lab.bootyard('node', 'boot', '--wait', 'vnode1');
    await lab.bootyard('node', 'stop', 'vnode1');
    const { text } = await replay('full', '--speed', '1000000');
    expect(text).toContain('SeaBIOS');
    expect(text).not.toContain('alone1');
    const refused = await lab.run('node', 'console', 'nobody', '--replay');
    expect(refused).toMatchObject({ status: 1, stdout: '' });
    expect(refused.stderr).toContain("Sorry, no node is named 'nobody'.");
  },
);
