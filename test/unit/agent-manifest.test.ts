import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { agentTools } from '../../backend/api/agent-tools/tools.ts';
import { manifestTools } from '../../scripts/agent-tools.ts';

const root = join(import.meta.dirname, '../..');
const { contributes } = z
  .object({
    contributes: z.object({
      languageModelTools: z.array(z.looseObject({})),
      mcpServerDefinitionProviders: z.array(z.object({ id: z.string() })),
    }),
  })
  .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));

test('language-model tools are those of the API: `node scripts/agent-tools.ts` writes them', () => {
  expect(contributes.languageModelTools).toEqual(manifestTools());
});

test('the MCP server is registered by the id of the manifest', () => {
  const source = readFileSync(join(root, 'extension/agents/mcp-server.ts'), 'utf8');
  const ids = contributes.mcpServerDefinitionProviders.map(({ id }) => id);
  expect(ids).toEqual([/MCP_PROVIDER = '(.+)'/.exec(source)?.[1]]);
});

test('users are asked about what changes something, with what a model wrote as it is', () => {
  const input = { nodes: ['a', 'b\u001b[31m'], image: 'tiny', node: 'a', command: 'rm -rf /tmp/x' };
  const questions = agentTools
    .filter(({ readOnly }) => !readOnly)
    .map((tool) => {
      const keys = Object.keys(tool.input.shape);
      return [
        tool.name,
        tool.question(Object.fromEntries(Object.entries(input).filter(([key]) => keys.includes(key)))),
      ];
    });
  expect(Object.fromEntries(questions)).toEqual({
    boot_nodes: {
      text: 'a, b [31m on image tiny. A node that runs is restarted, and loses what it has changed outside /persist.',
    },
    run_command: { text: 'As root in a:', code: 'rm -rf /tmp/x' },
  });
  for (const tool of agentTools.filter(({ readOnly }) => readOnly)) {
    expect(tool.question({ nodes: ['a'], node: 'a' })).toBeUndefined();
  }
});
