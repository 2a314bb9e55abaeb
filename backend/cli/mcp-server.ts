import { once } from 'node:events';
import { McpServer, type CallToolResult, type ServerContext } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { agentTools } from '../api/agent-tools/tools.ts';
import type { AgentTool } from '../api/agent-tools/tool.ts';
import { LabLink } from '../api/lab-link.ts';
import { ownVersion } from '../api/runtime.ts';
import { BootyardError, messageOf } from '../errors.ts';

const INSTRUCTIONS =
  'Bootyard is a netboot testbed: virtual machines (nodes) that boot operating system images over the network. ' +
  'Look with list_nodes and list_images, start with boot_nodes, then wait_booted, then run_command. ' +
  'When a boot fails, explain_last_boot and read_console say why.';
/** Clients give a call up that says nothing for a minute. */
const SIGN_OF_LIFE_MS = 10_000;

/** Serves MCP on standard input and output until the input ends or `signal` is aborted. */
export async function serveMcp(signal: AbortSignal): Promise<void> {
  const lab = new LabLink({ start: true, signal, onProgress: ({ message }) => tell(message) });
  const { stdin } = process;
  const ended = Promise.race([once(stdin, 'end'), once(stdin, 'close'), once(signal, 'abort')]);
  const serving = serveStdio(() => makeServer(lab), { onerror: (error) => tell(error.message) });
  try {
    await ended;
  } finally {
    await serving.close();
    lab.dispose();
  }
}

/** Standard output belongs to the protocol. */
function tell(line: string): void {
  process.stderr.write(`bootyard mcp: ${line}\n`);
}

function makeServer(lab: LabLink): McpServer {
  const server = new McpServer(
    { name: 'bootyard', title: 'Bootyard', version: ownVersion() },
    { instructions: INSTRUCTIONS },
  );
  for (const tool of agentTools) {
    const { name, title, description, input, output, readOnly, destructive } = tool;
    const annotations = { title, readOnlyHint: readOnly, destructiveHint: destructive, openWorldHint: false };
    server.registerTool(
      name,
      { title, description, inputSchema: input, outputSchema: output, annotations },
      (checked, context) => callTool(tool, checked, lab, context),
    );
  }
  return server;
}

/** The daemon has ended; the next one is there in a moment. */
const isLost = (error: unknown): boolean => error instanceof BootyardError && error.code === 'api.closed';

/** What is wrong is told to the model as one sentence. What only looks is asked for again when the daemon has ended. */
async function callTool(
  tool: AgentTool,
  input: unknown,
  lab: LabLink,
  { mcpReq }: ServerContext,
): Promise<CallToolResult> {
  const alive = signsOfLife(mcpReq);
  try {
    const context = { signal: mcpReq.signal, onProgress: alive.onProgress };
    const attempt = async (): Promise<Record<string, unknown>> => {
      const client = await lab.client();
      try {
        return await tool.invoke(input, { client, ...context });
      } catch (error) {
        if (isLost(error)) client.dispose();
        throw error;
      }
    };
    const answer = await attempt().catch((error: unknown) => {
      if (tool.readOnly && isLost(error)) return attempt();
      throw error;
    });
    return { content: [{ type: 'text', text: JSON.stringify(answer) }], structuredContent: answer };
  } catch (error) {
    const sentence = error instanceof BootyardError ? error.message : `Internal error: ${messageOf(error)}`;
    return { isError: true, content: [{ type: 'text', text: sentence }] };
  } finally {
    alive.end();
  }
}

/** Progress notifications for a client that asked for them: what is done, and that it is still done. */
function signsOfLife({ _meta, notify }: ServerContext['mcpReq']): {
  onProgress: (progress: { message: string }) => void;
  end(): void;
} {
  const token = _meta?.progressToken;
  if (token === undefined) return { onProgress: () => {}, end: () => {} };
  let progress = 0;
  let message: string | undefined;
  const send = (): void => {
    const params = { progressToken: token, progress: ++progress, message };
    notify({ method: 'notifications/progress', params }).catch((error: unknown) => tell(messageOf(error)));
  };
  const timer = setInterval(send, SIGN_OF_LIFE_MS);
  return {
    onProgress: (step) => {
      message = step.message;
      send();
    },
    end: () => clearInterval(timer),
  };
}
