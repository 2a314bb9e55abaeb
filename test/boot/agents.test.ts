import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { projectWithClient, writeExample } from '../support/client-package.ts';
import { repository, TestLab } from '../support/lab.ts';
import { isLong } from '../support/long.ts';
import { McpAgent } from '../support/mcp.ts';

const lab = new TestLab();
const agent = new McpAgent([join(repository, 'bin/bootyard'), 'mcp'], lab.env);
beforeAll(async () => {
  await lab.importDefault('pc-x86-64-tiny');
  await lab.bootyard('node', 'create', 'vnode1', '--image', 'pc-x86-64-tiny');
  await agent.start();
});
afterAll(async () => {
  await agent.close();
  await lab.remove();
});

test('an agent waits for a boot, runs a command, reads the console to its end and explains the boot', async () => {
  const wait = { nodes: ['vnode1'], timeoutSeconds: 240 };
  expect(await agent.use('wait_booted', wait)).toMatchObject({ booted: true });
  const command = 'echo to-console >/dev/console; cat /proc/cmdline; echo no >&2; exit 3';
  expect(await agent.use('run_command', { node: 'vnode1', command })).toMatchObject({
    exitCode: 3,
    stdout: expect.stringContaining('nfsroot='),
    stderr: 'no\n',
  });
  let text = '';
  let page: Record<string, unknown> = { more: true };
  for (let pages = 0; page.more && pages < 100; pages++) {
    page = await agent.use('read_console', { node: 'vnode1', cursor: page.cursor, maxBytes: 4096 });
    text += String(page.text);
  }
  expect(text).toMatch(/SeaBIOS[^]*Linux version[^]*to-console\n/);
  expect(text).not.toMatch(/(?![\n\t])\p{Cc}/u);
  await agent.use('run_command', { node: 'vnode1', command: 'echo later >/dev/console' });
  expect(await agent.use('read_console', { node: 'vnode1', cursor: page.cursor })).toMatchObject({
    text: expect.stringMatching(/later\n$/),
    more: false,
    gap: false,
  });
  const explained = await agent.use('explain_last_boot', { node: 'vnode1' });
  expect(explained.explanation).toMatch(
    /^Node vnode1 was booted \d+\.\d s after power-on on image pc-x86-64-tiny\.$/,
  );
  expect(explained.lastBoot).toMatchObject({ outcome: 'booted' });
});

test('what is wrong is one sentence, and a node that runs is not restarted unasked', async () => {
  expect(await agent.failure('boot_nodes', { nodes: ['vnode1'] })).toMatch(
    /^Node vnode1 runs, .*ask the user/,
  );
  expect(await agent.failure('boot_nodes', { nodes: ['nobody'] })).toContain("no node is named 'nobody'");
  expect((await lab.node('vnode1')).state).toBe('booted');
});

test.runIf(isLong)('the client package is typed, and the program of its README runs', async () => {
  const run = promisify(execFile);
  const folder = await projectWithClient();
  try {
    const example = writeExample(folder);
    const strict = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2024', '--types', 'node'];
    if (isLong) await run(join(repository, 'node_modules/.bin/tsc'), [...strict, example], { cwd: folder });
    const { stdout } = await run(process.execPath, [example], { env: lab.env });
    expect(stdout).toMatch(
      /^vnode1 runs Linux \d\S+ \(exit code 0\)\nit took \d+ ms to boot: firmware, dhcp, .*booted\nSeaBIOS .*\n$/,
    );
    await lab.bootyard('lab', 'stop');
    await expect(run(process.execPath, [example], { env: lab.env })).rejects.toMatchObject({
      code: 1,
      stderr: 'The lab is not running: start it with `bootyard lab start`. (lab.stopped)\n',
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
