import * as vscode from 'vscode';
import * as z from 'zod';
import type { NodeInfo } from '../../backend/api/node.ts';
import type { Parts } from '../features.ts';
import { registerCommands } from '../ui/commands.ts';
import { nameList } from './node-names.ts';
import { targetNodes, validFor } from './node-targets.ts';
import { runProcess } from './run-process.ts';
import { RunTerminal, type Runner } from './run-terminal.ts';
import { summary } from './run-text.ts';

const HISTORY = 'node.run.history';
const REMEMBERED = 30;
const TITLE = 40;

/** A command on the selected nodes, all at once. */
export function registerRunCommands({ connection, errors, memory, requireLab }: Parts): vscode.Disposable {
  /** Answers the exit code of the command on each node. */
  async function run(args: unknown[]): Promise<Record<string, number>> {
    await requireLab();
    const question = { title: 'Run a command on which nodes?', ...validFor.booted };
    const nodes = await targetNodes(connection.model, args, question);
    const command = typeof args[2] === 'string' ? args[2] : await askCommand(nodes);
    const runners = nodes.map(({ name }): Runner => {
      const params = { node: name, command, tty: false };
      const argv = async (): Promise<string[]> => (await connection.call('node.shellCommand', params)).argv;
      return { name, run: async (signal, write) => runProcess(await argv(), signal, write) };
    });
    const pty = new RunTerminal(`$ ${command}`, runners, summary);
    const name = `${nameList(nodes)}: ${command}`.slice(0, TITLE);
    const iconPath = new vscode.ThemeIcon('run-all');
    vscode.window.createTerminal({ name, pty, iconPath, isTransient: true }).show(true);
    return pty.codes;
  }

  async function askCommand(nodes: NodeInfo[]): Promise<string> {
    const history = z.array(z.string()).catch([]).parse(memory.get(HISTORY));
    const command = await pickCommand(`Run on ${nameList(nodes)}`, history);
    const others = history.filter((known) => known !== command);
    await memory.update(HISTORY, [command, ...others].slice(0, REMEMBERED));
    return command;
  }

  return registerCommands(errors, { 'bootyard.node.run': (...args) => run(args) });
}

/**
 * What is typed, or one of the commands of before. The list arrives later than the keys, so Enter never runs an older
 * command in place of what was typed: it is put into the line then.
 */
async function pickCommand(title: string, history: readonly string[]): Promise<string> {
  const picker = vscode.window.createQuickPick<vscode.QuickPickItem & { older: boolean }>();
  picker.title = title;
  picker.placeholder = 'A shell command';
  const offer = (): void => {
    const typed = picker.value.trim();
    const older = history.filter((command) => command !== typed).map((label) => ({ label, older: true }));
    picker.items = typed === '' ? older : [{ label: typed, older: false }, ...older];
  };
  offer();
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  picker.onDidChangeValue(offer);
  picker.onDidAccept(() => {
    const typed = picker.value.trim();
    const [chosen] = picker.activeItems;
    if (typed === '' && chosen) resolve(chosen.label);
    else if (typed !== '' && !chosen?.older) resolve(typed);
    else if (chosen) {
      picker.value = chosen.label;
      offer();
    }
  });
  picker.onDidHide(() => reject(new vscode.CancellationError()));
  picker.show();
  return promise.finally(() => picker.dispose());
}
