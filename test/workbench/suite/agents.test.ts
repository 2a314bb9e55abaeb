import * as assert from 'node:assert/strict';
import { suite, suiteSetup, test } from 'mocha';
import * as vscode from 'vscode';
import * as z from 'zod';
import { McpAgent } from '../../support/mcp.ts';
import { bootyard, IMAGE, nodeIn } from './support.ts';

const Tools = z.object({
  contributes: z.object({
    languageModelTools: z.array(z.object({ name: z.string(), modelDescription: z.string() })),
  }),
});

async function invoke(name: string, input: object): Promise<Record<string, unknown>> {
  const options = { input, toolInvocationToken: undefined };
  const { content } = await vscode.lm.invokeTool(`bootyard_${name}`, options);
  const [part] = content;
  assert.ok(part instanceof vscode.LanguageModelTextPart);
  return z.record(z.string(), z.unknown()).parse(JSON.parse(part.value));
}

suite('language-model tools', () => {
  suiteSetup(async () => {
    const { connection } = await bootyard();
    if (!connection.model.nodeNamed('vnode1')) {
      await vscode.commands.executeCommand('bootyard.lab.start');
      await vscode.commands.executeCommand('bootyard.node.create', { name: 'vnode1', image: IMAGE });
    }
    await nodeIn('vnode1', 'booted');
  });

  test('those of the manifest are there, with their words and schemas', () => {
    const manifest = Tools.parse(vscode.extensions.getExtension('bootyard.bootyard')?.packageJSON);
    const { languageModelTools } = manifest.contributes;
    assert.equal(languageModelTools.length, 7);
    for (const { name, modelDescription } of languageModelTools) {
      const tool = vscode.lm.tools.find((candidate) => candidate.name === name);
      assert.equal(tool?.description, modelDescription);
      assert.equal(z.object({ type: z.string() }).parse(tool.inputSchema).type, 'object');
    }
  });

  test('looking asks nobody', async () => {
    const Nodes = z.object({ nodes: z.array(z.object({ name: z.string(), state: z.string() })) });
    const { nodes } = Nodes.parse(await invoke('list_nodes', {}));
    assert.equal(nodes.find(({ name }) => name === 'vnode1')?.state, 'booted');
    const { explanation } = await invoke('explain_last_boot', { node: 'vnode1' });
    assert.match(String(explanation), /^Node vnode1 was booted \d/);
    const page = await invoke('read_console', { node: 'vnode1' });
    assert.match(String(page.text), /SeaBIOS|Linux version/);
  });

  // VS Code shows no dialogs while it runs tests, and goes on as if the user had agreed.
  test('a command is run', async () => {
    const answer = await invoke('run_command', { node: 'vnode1', command: 'echo agent:$((40+2)); exit 4' });
    assert.deepEqual([answer.exitCode, answer.stdout], [4, 'agent:42\n']);
  });

  test('the MCP server that the editor is told of serves the lab of this window', async () => {
    const { command, args, env } = await (await bootyard()).mcpServer();
    const set = Object.entries(env).flatMap(([name, value]) =>
      value === null ? [] : [[name, String(value)]],
    );
    const agent = new McpAgent([command, ...args], { ...process.env, ...Object.fromEntries(set) });
    await agent.start();
    try {
      assert.match(JSON.stringify(await agent.use('list_nodes')), /"vnode1"/);
    } finally {
      await agent.close();
    }
  });

  test('what is wrong is one sentence', async () => {
    await assert.rejects(invoke('explain_last_boot', { node: 'nobody' }), /no node is named 'nobody'/);
  });
});
