import type { Command } from 'commander';
import { followConsole } from './node-console.ts';
import { copy } from './node-cp.ts';
import { runInNodes, runShell } from './node-run.ts';
import type { Session } from './session.ts';

/** The verbs that reach into a node: shell, run, cp, console. */
export function addNodeAccessCommands(node: Command, session: Session): void {
  node
    .command('shell')
    .description('open a root shell in a node')
    .argument('<node>')
    .action((name: string) => session.withLab((lab) => runShell(lab, name)));
  node
    .command('run')
    .description('run a command in nodes, in all of them at the same time')
    .argument('<set>', 'node names, comma separated, or all-nodes')
    .argument('<command...>')
    .option('--term', 'give the command a terminal (one node only)')
    .passThroughOptions()
    .action((set: string, command: string[], options: { term?: boolean }) =>
      session.withLab((lab) => runInNodes(lab, set, commandText(command), options.term ?? false)),
    );
  node
    .command('cp')
    .description('copy a file or a folder from this host into a node, or back')
    .argument('<source>', 'a path on this host, or <node>:<path>; a name with a colon as ./name')
    .argument('<destination>', 'the other one of these; a relative path in a node is below /root')
    .action((source: string, destination: string) =>
      session.withLab((lab) => copy(lab, source, destination)),
    );
  node
    .command('console')
    .description('show the serial line of a node since power-on and type on it; <ctrl-a> d leaves')
    .argument('<node>')
    .action((name: string) => session.withLab((lab) => followConsole(lab, name)));
}

/** Options after the set belong to the command, so commander also leaves a `--` that ends ours. */
function commandText(words: string[]): string {
  return (words[0] === '--' ? words.slice(1) : words).join(' ');
}
