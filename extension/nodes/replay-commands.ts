import * as vscode from 'vscode';
import * as z from 'zod';
import type { Parts } from '../features.ts';
import { registerCommands } from '../ui/commands.ts';
import { nameList } from './node-names.ts';
import { targetNodes, validFor } from './node-targets.ts';
import { terminalLocation } from './node-terminals.ts';
import { ReplayTerminal } from './replay-terminal.ts';
import { rangeProblem, speedProblem } from './replay-text.ts';

/** What other extensions and key bindings may give, so that it is not asked. */
const Replay = z.object({ range: z.string(), speed: z.number() });

/** One of a list; without a `value` it is asked for. */
interface Choice {
  readonly label: string;
  readonly description?: string;
  readonly value?: string;
}
const RANGES: Choice[] = [
  { label: 'Everything since power-on', description: 'full', value: 'full' },
  { label: 'The last minute', description: '-1m:', value: '-1m:' },
  { label: 'The last 5 minutes', description: '-5m:', value: '-5m:' },
  { label: 'The last hour', description: '-1h:', value: '-1h:' },
  { label: 'Another range...' },
];
const SPEEDS: Choice[] = [
  { label: 'As it was', value: '1' },
  { label: 'Twice as fast', value: '2' },
  { label: '10 times as fast', value: '10' },
  { label: '100 times as fast', value: '100' },
  { label: 'Without pauses', value: '1000000' },
  { label: 'Another speed...' },
];

/** What the consoles of nodes have printed, played with the pauses it had, each in a terminal of its own. */
export function registerReplayCommands({ connection, errors, requireLab }: Parts): vscode.Disposable {
  async function replay(args: unknown[]): Promise<void> {
    await requireLab();
    const question = { title: 'Replay the console of which nodes?', ...validFor.any };
    const nodes = await targetNodes(connection.model, args, question);
    const what = Replay.safeParse(args[2]).data ?? (await ask(`Replay the console of ${nameList(nodes)}`));
    for (const { name } of nodes) {
      const pty = new ReplayTerminal(async (signal) =>
        (await requireLab()).replayConsole(name, { ...what, signal }),
      );
      const iconPath = new vscode.ThemeIcon('play-circle');
      const options = { name: `${name} replay`, pty, iconPath, isTransient: true };
      vscode.window.createTerminal({ ...options, location: terminalLocation('console') }).show();
    }
  }

  return registerCommands(errors, { 'bootyard.node.replay': (...args) => replay(args) });
}

async function ask(title: string): Promise<z.infer<typeof Replay>> {
  const range = await choose(RANGES, `${title}: from when to when?`, {
    prompt: 'full, or [start]:[end] with times before now, such as -5m: or -2h:-30m (s, m, h, d)',
    validateInput: (text) => rangeProblem(text.trim()),
  });
  const speed = await choose(SPEEDS, `${title}: how fast?`, {
    prompt: 'How many times as fast as it was',
    validateInput: (text) => speedProblem(text.trim()),
  });
  return { range, speed: Number(speed) };
}

async function choose(choices: Choice[], title: string, input: vscode.InputBoxOptions): Promise<string> {
  const chosen = await vscode.window.showQuickPick(choices, { title, matchOnDescription: true });
  if (!chosen) throw new vscode.CancellationError();
  const value = chosen.value ?? (await vscode.window.showInputBox({ title, ...input }));
  if (value === undefined) throw new vscode.CancellationError();
  return value.trim();
}
