import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import * as z from 'zod';

const Text = z.object({ type: z.literal('text'), text: z.string() });

/**
 * An agent's end of `bootyard mcp`: the SDK's client, which checks each answer against the tool's output schema.
 * `modern`: it speaks the protocol of 2026-07-28 instead of the one before.
 */
export class McpAgent {
  readonly client: Client;
  readonly #transport: StdioClientTransport;
  stderr = '';

  constructor([command = '', ...args]: string[], env: NodeJS.ProcessEnv, modern = false) {
    const mode = modern ? 'auto' : 'legacy';
    this.client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
    const entries = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
    this.#transport = new StdioClientTransport({
      command,
      args,
      env: Object.fromEntries(entries),
      stderr: 'pipe',
    });
    this.#transport.stderr?.on('data', (data) => (this.stderr += String(data)));
  }

  get pid(): number {
    return this.#transport.pid ?? 0;
  }

  async start(): Promise<void> {
    await this.client.connect(this.#transport);
    await this.client.listTools();
  }

  /** The structured answer of a tool that must not fail; the same as its text. */
  async use(name: string, args: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const { isError, content, structuredContent } = await this.client.callTool({ name, arguments: args });
    const { text } = Text.parse(content[0]);
    if (isError) throw new Error(`${name} failed: ${text}`);
    const answer = z.record(z.string(), z.unknown()).parse(structuredContent);
    if (JSON.stringify(answer) !== text) throw new Error(`${name}: the text is not the structured content`);
    return answer;
  }

  /** The sentence of a tool that must fail. */
  async failure(name: string, args: Record<string, unknown> = {}): Promise<string> {
    const { isError, content } = await this.client.callTool({ name, arguments: args });
    const { text } = Text.parse(content[0]);
    if (isError !== true) throw new Error(`${name} did not fail: ${text}`);
    return text;
  }

  close(): Promise<void> {
    return this.client.close();
  }
}
