import * as assert from 'node:assert/strict';
import { suite, suiteSetup, test } from 'mocha';
import * as vscode from 'vscode';
import * as z from 'zod';
import { McpAgent } from '../../support/mcp.ts';
import { bootyard, nodeIn } from './support.ts';

/** What the nodes' tests leave. */
const NODE = 'walnut';
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
    await nodeIn(NODE, 'booted');
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
    assert.deepEqual(
      nodes.map(({ name, state }) => [name, state]),
      [[NODE, 'booted']],
    );
    const { explanation } = await invoke('explain_last_boot', { node: NODE });
    assert.match(String(explanation), /^Node \S+ was booted \d/);
    const page = await invoke('read_console', { node: NODE });
    assert.match(String(page.text), /SeaBIOS|Linux version/);
  });

  // VS Code shows no dialogs while it runs tests, and goes on as if the user had agreed.
  test('a command is run', async () => {
    const answer = await invoke('run_command', { node: NODE, command: 'echo agent:$((40+2)); exit 4' });
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
      assert.match(JSON.stringify(await agent.use('list_nodes')), /"walnut"/);
    } finally {
      await agent.close();
    }
  });

  test('what is wrong is one sentence', async () => {
    await assert.rejects(invoke('explain_last_boot', { node: 'nobody' }), /no node is named 'nobody'/);
  });
});
