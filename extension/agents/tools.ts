import * as vscode from 'vscode';
import type { AgentTool, Question } from '../../backend/api/agent-tools/tool.ts';
import { agentTools } from '../../backend/api/agent-tools/tools.ts';
import type { Parts } from '../features.ts';

/** What the manifest calls a tool. */
export const toolId = ({ name }: Pick<AgentTool, 'name'>): string => `bootyard_${name}`;

/** The verbs of `bootyard mcp` as tools of the editor's language models. */
export function registerAgentTools(parts: Parts): vscode.Disposable {
  return vscode.Disposable.from(
    ...agentTools.map((tool) => vscode.lm.registerTool(toolId(tool), implementation(tool, parts))),
  );
}

function implementation(tool: AgentTool, { requireLab, log }: Parts): vscode.LanguageModelTool<object> {
  return {
    prepareInvocation: ({ input }) => {
      const question = tool.question(input);
      return {
        invocationMessage: `${tool.title} (Bootyard)`,
        ...(question && { confirmationMessages: { title: `${tool.title}?`, message: shown(question) } }),
      };
    },
    invoke: async ({ input }, token) => {
      const controller = new AbortController();
      const watch = token.onCancellationRequested(() => controller.abort());
      try {
        log.info(`agent: ${tool.name} ${JSON.stringify(input)}`);
        const client = await requireLab();
        // The user has agreed to what prepareInvocation asks: the editor comes here only then.
        const answer = await tool.invoke(input, { client, signal: controller.signal }, true);
        return new vscode.LanguageModelToolResult([new vscode.LanguageModelTextPart(JSON.stringify(answer))]);
      } finally {
        watch.dispose();
      }
    },
  };
}

function shown({ text, code }: Question): vscode.MarkdownString {
  const message = new vscode.MarkdownString().appendText(text);
  return code === undefined ? message : message.appendCodeblock(code, 'sh');
}
