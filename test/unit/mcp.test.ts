import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { agentTools } from '../../backend/api/agent-tools/tools.ts';
import type { BootStep, ExplainedBoot, Timeline } from '../../backend/api/boots.ts';
import type { ServedHandlers } from '../../backend/api/server.ts';
import { BootyardError } from '../../backend/errors.ts';
import { node } from '../support/api-lab.ts';
import { booted, CommandLine, here, program } from '../support/cli.ts';
import { McpAgent } from '../support/mcp.ts';

const cli = new CommandLine();
afterAll(() => cli.remove());

let agent: McpAgent;
async function startAgent(modern = false): Promise<void> {
  await cli.startDaemon();
  agent = new McpAgent([process.execPath, program, 'mcp'], cli.env, modern);
  await agent.start();
}
async function stopAgent(): Promise<void> {
  await agent.close();
  await cli.stopDaemon();
}

const boot = {
  node: 'vnode1',
  number: 3,
  image: 'tiny',
  reason: 'The kernel panicked.',
  startedAt: '2026-01-02T03:04:05.000Z',
  outcome: 'failed',
  totalMs: 61_000,
  stages: [
    { name: 'firmware', startMs: 0, durationMs: 900, detail: 'ipxe' },
    { name: 'kernel', startMs: 900, durationMs: 60_100, detail: 'Linux version 6.1' },
  ],
};
const step = (name: string, isFault?: boolean): BootStep => ({
  kind: 'file',
  stage: 'boot files',
  name,
  startMs: 1,
  durationMs: 2,
  detail: '',
  isFault,
});
const problem: ExplainedBoot['explanation'] = {
  cause: 'kernel.panic',
  stage: 'kernel',
  sentence: 'Node vnode1 stopped at kernel: it panicked. Give it an init.',
  why: 'it panicked',
  fix: 'give it an init',
  evidence: [{ kind: 'console', text: 'Kernel panic' }],
};
const explained: ServedHandlers['node.explain'] = () => ({ ...boot, stage: 'kernel', explanation: null });
const timeline: Timeline = { ...boot, steps: [step('tftp /kernel'), step('tftp /none', true)] };

describe('the protocol', () => {
  afterEach(stopAgent);

  test.each([[false], [true]])('tools with schemas and hints are offered (of 2026: %s)', async (modern) => {
    await startAgent(modern);
    expect(agent.client.getServerVersion()).toMatchObject({ name: 'bootyard', title: 'Bootyard' });
    const { tools } = await agent.client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(agentTools.map(({ name }) => name));
    for (const tool of tools) {
      expect(tool.inputSchema).toMatchObject({ type: 'object', additionalProperties: false });
      expect(tool.outputSchema).toMatchObject({ type: 'object' });
      const changes = ['boot_nodes', 'run_command'].includes(tool.name);
      expect(tool.annotations).toMatchObject({ readOnlyHint: !changes, destructiveHint: changes });
    }
    expect(await agent.use('list_nodes')).toMatchObject({ nodes: [{ name: 'vnode1', state: 'off' }] });
  });

  test('the program ends when its input does, and says nothing else on its output', async () => {
    await startAgent();
    const child = spawn(process.execPath, [program, 'mcp'], { env: cli.env });
    let stdout = '';
    child.stdout.on('data', (data) => (stdout += String(data)));
    child.stdin.end('not JSON\n');
    const [code] = await once(child, 'close');
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  });

  test('a call that is cancelled ends the work of the daemon, and of the program it runs', async () => {
    await startAgent();
    const ended = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    cli.handlers['node.wait'] = (_, { signal }) =>
      new Promise((_resolve, reject) => {
        begun.resolve();
        signal.addEventListener('abort', () => {
          ended.resolve();
          reject(new BootyardError('call.cancelled', 'Cancelled.'));
        });
      });
    const abort = new AbortController();
    const wait = { name: 'wait_booted', arguments: { nodes: ['a'], timeoutSeconds: 600 } };
    const call = agent.client.callTool(wait, { signal: abort.signal });
    call.catch(() => undefined);
    await begun.promise;
    abort.abort();
    await ended.promise;
    await expect(call).rejects.toThrow();
    expect(await agent.use('list_nodes')).toMatchObject({ leftOut: 0 });
  });

  test('a daemon that comes back is found again', async () => {
    await startAgent();
    await agent.use('list_nodes');
    await cli.stopDaemon();
    await cli.startDaemon();
    cli.handlers['node.list'] = () => [node('anew')];
    expect(await agent.use('list_nodes')).toMatchObject({ nodes: [{ name: 'anew' }] });
  });
});

describe('tools', () => {
  beforeAll(() => startAgent());
  beforeEach(() => {
    cli.handlers = {};
  });
  afterAll(stopAgent);

  test('a long list is cut, and says so', async () => {
    cli.handlers['node.list'] = () => Array.from({ length: 130 }, (_, index) => node(`n${index}`));
    const { nodes, leftOut } = await agent.use('list_nodes');
    expect({ count: Array.isArray(nodes) && nodes.length, leftOut }).toEqual({ count: 100, leftOut: 30 });
    expect(await agent.use('list_images')).toEqual({ images: [], leftOut: 0 });
  });

  test('the last boot is explained: where, why, stage by stage', async () => {
    cli.handlers['node.list'] = () => [{ ...node('vnode1', 'The kernel panicked.'), state: 'failed' }];
    cli.handlers['node.timeline'] = ({ boot: number }) => ({ ...timeline, number: number ?? 0 });
    cli.handlers['node.explain'] = explained;
    const answer = await agent.use('explain_last_boot', { node: 'vnode1' });
    expect(answer.explanation).toBe(
      'The last boot of node vnode1 ended after 61.0 s in stage kernel (Linux version 6.1): failed. The kernel panicked.',
    );
    expect(answer.lastBoot).toEqual({ ...boot, faults: [step('tftp /none', true)], problem: null });
    cli.handlers['node.explain'] = () => ({ ...boot, stage: 'kernel', explanation: problem });
    expect(await agent.use('explain_last_boot', { node: 'vnode1' })).toMatchObject({
      explanation: problem.sentence,
      lastBoot: { problem },
    });
    cli.handlers['node.explain'] = explained;
    cli.handlers['node.timeline'] = () => ({ ...timeline, outcome: 'going on' });
    const going = await agent.use('explain_last_boot', { node: 'vnode1' });
    expect(going.explanation).toMatch(/boots since 61.0 s, now in stage kernel/);
  });

  test('a node that was never booted has no boot to explain, and a name that is none is told', async () => {
    cli.handlers['node.explain'] = () => {
      throw new BootyardError('node.noBoot', 'vnode1 has not been booted yet.');
    };
    const answer = await agent.use('explain_last_boot', { node: 'vnode1' });
    expect(answer).toMatchObject({ explanation: 'Node vnode1 has not been booted yet.', lastBoot: null });
    cli.handlers['node.list'] = () => {
      throw new BootyardError('node.unknown', "Sorry, no node is named 'vnode9'.");
    };
    const sentence = await agent.failure('explain_last_boot', { node: 'vnode9' });
    expect(sentence).toBe("Sorry, no node is named 'vnode9'.");
  });

  test('a node that runs is only booted again when the user has agreed', async () => {
    const asked: unknown[] = [];
    cli.handlers['node.list'] = booted;
    cli.handlers['node.boot'] = (params) => {
      asked.push(params);
      return params.nodes.map((name) => ({ ...node(name), state: 'booting' }));
    };
    expect(await agent.failure('boot_nodes', { nodes: ['a', 'b'] })).toBe(
      'Nodes a, b run, and a boot loses what was changed there outside /persist: ask the user, then call boot_nodes with confirm set to true.',
    );
    expect(asked).toEqual([]);
    const answer = await agent.use('boot_nodes', { nodes: ['a', 'b'], image: 'tiny', confirm: true });
    expect(answer).toMatchObject({ nodes: [{ name: 'a', state: 'booting' }, { name: 'b' }] });
    expect(asked).toEqual([{ nodes: ['a', 'b'], image: 'tiny' }]);
    cli.handlers['node.list'] = () => [node('a')];
    await agent.use('boot_nodes', { nodes: ['a'] });
    expect(asked).toHaveLength(2);
  });

  test('waiting ends with the boot, with the time, or with its failure', async () => {
    cli.handlers['node.wait'] = (params) => booted(params, undefined as never);
    expect(await agent.use('wait_booted', { nodes: ['a'] })).toMatchObject({ booted: true });
    cli.handlers['node.wait'] = ({ timeoutSeconds }) => {
      throw new BootyardError('node.timeout', `not in ${timeoutSeconds} s`);
    };
    cli.handlers['node.list'] = () => [{ ...node('a'), state: 'booting', stage: 'dhcp' }];
    expect(await agent.use('wait_booted', { nodes: ['a'], timeoutSeconds: 7 })).toMatchObject({
      booted: false,
      nodes: [{ name: 'a', state: 'booting', stage: 'dhcp' }],
    });
    cli.handlers['node.wait'] = () => {
      throw new BootyardError('node.failed', 'Node a failed: kernel panic.');
    };
    expect(await agent.failure('wait_booted', { nodes: ['a'] })).toBe('Node a failed: kernel panic.');
  });

  test('a command has its exit code and both outputs; long ones lose their middle', async () => {
    cli.handlers['node.list'] = booted;
    cli.handlers['node.shellCommand'] = here;
    const command = 'printf "\\033[31mred\\033[0m\\r\\n\\001"; echo oops >&2; exit 7';
    expect(await agent.use('run_command', { node: 'a', command })).toEqual({
      exitCode: 7,
      stdout: 'red\n\\x01',
      stderr: 'oops\n',
      stdoutLeftOutBytes: 0,
      stderrLeftOutBytes: 0,
    });
    const many = { node: 'a', command: 'seq 1 100000', maxBytes: 1024 };
    const { stdout, stdoutLeftOutBytes } = await agent.use('run_command', many);
    expect(stdout).toMatch(/^1\n2\n[^]*\n\[587871 bytes left out\]\n[^]*\n100000\n$/);
    expect(stdoutLeftOutBytes).toBe(588_895 - 1024);
  });

  test('a command that takes too long is ended with what it started', async () => {
    cli.handlers['node.list'] = booted;
    cli.handlers['node.shellCommand'] = here;
    const command = 'echo begun; sleep 1000 & echo $!; wait';
    const { exitCode, stdout } = await agent.use('run_command', { node: 'a', command, timeoutSeconds: 2 });
    expect(exitCode).toBeNull();
    const [, pid] = /^begun\n(\d+)\n$/.exec(String(stdout)) ?? [];
    // What is left of a process that nobody has waited for has no command line.
    expect(existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') : '').toBe('');
    expect(Number(pid)).toBeGreaterThan(1);
  });

  test('a node that still boots takes no command', async () => {
    cli.handlers['node.list'] = () => [{ ...node('a'), state: 'booting' }];
    const sentence = await agent.failure('run_command', { node: 'a', command: 'true' });
    expect(sentence).toBe('Node a still boots: call wait_booted first.');
  });

  test('the console comes as text, page by page', async () => {
    cli.handlers['node.readConsole'] = ({ cursor, maxBytes }) => ({
      data: Buffer.from('\x1b[2J\x1b[1mBooting\x1b[0m\r\n\x07é\r\n').toString('base64'),
      cursor: `${cursor ?? 'none'}+${maxBytes}`,
      more: true,
      gap: false,
    });
    const page = await agent.use('read_console', { node: 'a' });
    expect(page).toEqual({ text: 'Booting\n\\x07é\n', cursor: 'none+16384', more: true, gap: false });
    const next = await agent.use('read_console', { node: 'a', cursor: page.cursor, maxBytes: 4096 });
    expect(next.cursor).toBe('none+16384+4096');
  });

  test.each([
    ['run_command', { node: 'a' }],
    ['boot_nodes', { nodes: [] }],
    ['boot_nodes', { nodes: ['a'], force: true }],
    ['read_console', { node: 'a', maxBytes: 10 }],
    ['wait_booted', { nodes: ['a'], timeoutSeconds: 1e9 }],
  ])('%s %j is refused before anything is done', async (name, args) => {
    const sentence = await agent.failure(name, args);
    expect(sentence).not.toMatch(/\n\s+at /);
    expect(sentence.length).toBeLessThan(300);
  });
});
