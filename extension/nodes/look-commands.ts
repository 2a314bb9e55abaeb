import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import * as vscode from 'vscode';
import type { NodeInfo } from '../../backend/api/node.ts';
import type { Parts } from '../features.ts';
import { registerCommands } from '../ui/commands.ts';
import { withProgress } from '../ui/progress.ts';
import { nameList } from './node-names.ts';
import { targetNode, targetNodes, validFor } from './node-targets.ts';
import { timelineText } from './timeline-text.ts';

/** Looking at nodes: boot timeline, a command on several of them, name and address for the clipboard. */
export function registerLookCommands(parts: Parts): vscode.Disposable {
  const { connection, documents, errors, requireLab } = parts;
  const { model } = connection;
  const output = vscode.window.createOutputChannel('Bootyard: Run');

  async function showTimeline(args: unknown[]): Promise<void> {
    await requireLab();
    const node = await targetNode(model, args, { title: 'Boot timeline of which node?', ...validFor.any });
    const timeline = await connection.call('node.timeline', { node: node.name });
    await documents.show(`${node.name} boot timeline`, timelineText(timeline));
  }

  /** Answers the exit code of the command on each node. */
  async function run(args: unknown[]): Promise<Record<string, number>> {
    await requireLab();
    const nodes = await targetNodes(model, args, {
      title: 'Run a command on which nodes?',
      ...validFor.booted,
    });
    const command = typeof args[2] === 'string' ? args[2] : await askCommand(nodes);
    output.show(true);
    output.appendLine(`$ ${command}`);
    const codes = await withProgress(`Running on ${nameList(nodes)}`, ({ signal }) =>
      Promise.all(nodes.map(async (node) => [node.name, await runOn(node, command, signal)] as const)),
    );
    for (const [name, code] of codes) if (code !== 0) output.appendLine(`${name}: exit code ${code}`);
    return Object.fromEntries(codes);
  }

  async function runOn(node: NodeInfo, command: string, signal: AbortSignal): Promise<number> {
    const { argv } = await connection.call('node.shellCommand', { node: node.name, command, tty: false });
    const [program = '', ...rest] = argv;
    const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'], signal });
    const readers = [child.stdout, child.stderr].map((stream) => copyLines(stream, `${node.name}: `));
    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (exitCode) => resolve(exitCode ?? 255));
    });
    await Promise.all(readers);
    return code;
  }

  async function copyLines(stream: Readable, prefix: string): Promise<void> {
    for await (const line of createInterface({ input: stream })) output.appendLine(prefix + line);
  }

  async function copy(args: unknown[], text: (node: NodeInfo) => string): Promise<void> {
    const nodes = await targetNodes(model, args, { title: 'Copy from which nodes?', ...validFor.any });
    await vscode.env.clipboard.writeText(nodes.map(text).join('\n'));
  }

  const commands = registerCommands(errors, {
    'bootyard.node.timeline': (...args) => showTimeline(args),
    'bootyard.node.run': (...args) => run(args),
    'bootyard.node.copyName': (...args) => copy(args, (node) => node.name),
    'bootyard.node.copyAddress': (...args) => copy(args, (node) => node.ip),
  });
  return vscode.Disposable.from(output, commands);
}

async function askCommand(nodes: NodeInfo[]): Promise<string> {
  const command = await vscode.window.showInputBox({
    title: `Run on ${nameList(nodes)}`,
    prompt: 'A shell command; its output goes to the channel "Bootyard: Run"',
    validateInput: (text) => (text.trim() === '' ? 'Write a command.' : undefined),
  });
  if (command === undefined) throw new vscode.CancellationError();
  return command;
}
