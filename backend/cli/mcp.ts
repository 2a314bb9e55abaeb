import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { mcpServerModule } from '../api/runtime.ts';
import type * as McpServer from './mcp-server.ts';
import type { Session } from './session.ts';

export function addMcpCommand(program: Command, session: Session): void {
  program
    .command('mcp')
    .description(
      'serve the lab to an agent: a Model Context Protocol server on standard input and output, which starts the lab on demand',
    )
    .action(async () => {
      const { serveMcp } = (await import(pathToFileURL(mcpServerModule()).href)) as typeof McpServer;
      await session.interruptible(serveMcp);
    });
}
