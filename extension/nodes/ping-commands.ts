import * as vscode from 'vscode';
import { eachLine } from '../../backend/api/stream-lines.ts';
import type { Parts } from '../features.ts';
import { registerCommands } from '../ui/commands.ts';
import { nameList } from './node-names.ts';
import { targetNodes, validFor } from './node-targets.ts';
import { RunTerminal, type WriteLine } from './run-terminal.ts';
import { pingSummary } from './run-text.ts';

/** Ten echo requests to each of the selected nodes, all at once. */
export function registerPingCommands({ connection, errors, requireLab }: Parts): vscode.Disposable {
  /** Answers 0 for each node that answers, 1 for the others. */
  async function ping(args: unknown[]): Promise<Record<string, number>> {
    await requireLab();
    const question = { title: 'Ping which nodes?', ...validFor.on };
    const nodes = await targetNodes(connection.model, args, question);
    const runners = nodes.map(({ name }) => ({
      name,
      run: (signal: AbortSignal, write: WriteLine) => pingOne(name, signal, write),
    }));
    const name = `ping ${nameList(nodes)}`;
    const pty = new RunTerminal(name, runners, pingSummary);
    const iconPath = new vscode.ThemeIcon('pulse');
    vscode.window.createTerminal({ name, pty, iconPath, isTransient: true }).show(true);
    return pty.codes;
  }

  async function pingOne(name: string, signal: AbortSignal, write: WriteLine): Promise<number> {
    const client = await requireLab();
    const decoder = new TextDecoder();
    const stream = await client.ping(name, { signal });
    const sentence = await eachLine(stream, signal, (line) => write(decoder.decode(line)));
    signal.throwIfAborted();
    if (sentence !== undefined) await write(sentence);
    return sentence === undefined ? 0 : 1;
  }

  return registerCommands(errors, { 'bootyard.node.ping': (...args) => ping(args) });
}
