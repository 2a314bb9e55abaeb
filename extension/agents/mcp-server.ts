import * as vscode from 'vscode';
import { commandProgram, nodeRuntime, ownVersion } from '../../backend/api/runtime.ts';
import { labEnvironment, nodePath } from '../daemon/lab-access.ts';

/** Of the manifest's `mcpServerDefinitionProviders`. */
export const MCP_PROVIDER = 'bootyard.mcp';

/**
 * Offers `bootyard mcp`, for the lab of this window's settings, to those who look for MCP servers in the editor. It is
 * started when it is used. An editor that knows of no such servers does without.
 */
export function registerMcpServer(): vscode.Disposable {
  if (!('registerMcpServerDefinitionProvider' in vscode.lm)) return new vscode.Disposable(() => undefined);
  const changed = new vscode.EventEmitter<void>();
  return vscode.Disposable.from(
    changed,
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration('bootyard')) changed.fire();
    }),
    vscode.lm.registerMcpServerDefinitionProvider(MCP_PROVIDER, {
      onDidChangeMcpServerDefinitions: changed.event,
      provideMcpServerDefinitions: async () => [await mcpServer()],
    }),
  );
}

/** What an editor starts: the command line of this extension, by the Node of the settings or the editor's own. */
export async function mcpServer(): Promise<vscode.McpStdioServerDefinition> {
  const path = nodePath();
  const { node, env } = await nodeRuntime(path, labEnvironment());
  const set = ['BOOTYARD_HOME', 'BOOTYARD_ENGINE', 'XDG_RUNTIME_DIR', 'ELECTRON_RUN_AS_NODE'].flatMap(
    (name): [string, string][] => (env[name] === undefined ? [] : [[name, env[name]]]),
  );
  const own = { ...Object.fromEntries(set), ...(path === undefined ? {} : { BOOTYARD_NODE: path }) };
  return new vscode.McpStdioServerDefinition('Bootyard', node, [commandProgram(), 'mcp'], own, ownVersion());
}
