import type { Command } from 'commander';
import type { ConsoleTextOptions } from './console-text.ts';
import { showConsole } from './node-console.ts';
import { copy } from './node-cp.ts';
import { openShell, runInNodes } from './node-run.ts';
import { save, type SaveOptions, showDiff } from './node-save.ts';
import type { Session } from './session.ts';

/** The verbs that reach into a node: shell, run, cp, console. */
export function addNodeAccessCommands(node: Command, session: Session): void {
  node
    .command('shell')
    .description('open a root shell in a node')
    .argument('<node>')
    .action((name: string) => openShell(session, name));
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
    .argument(
      '<destination>',
      'the other one of these; a relative path in a node is below /root; booted-image: the image of the node',
    )
    .option('--force', 'with booted-image: reboot the nodes that use the image without asking')
    .action((source: string, destination: string, options: { force?: boolean }) =>
      session.withLab((lab) => copy(lab, source, destination, options.force ?? false)),
    );
  node
    .command('save')
    .description("save a node's image and what the node has changed on it, deletions too, as an image")
    .argument('<node>')
    .argument('<image>', 'name of the new image')
    .option('--yes', 'do not ask after the list of changes')
    .option('--force', 'overwrite an image of this name')
    .option('--json', 'print JSON instead of the list of changes')
    .action((name: string, image: string, options: SaveOptions) =>
      session.withLab((lab) => save(lab, name, image, options)),
    );
  node
    .command('diff')
    .description('list what a node has changed on its image: A added, M modified, D deleted')
    .argument('<node>')
    .option('--json', 'print JSON')
    .action((name: string, options: { json?: boolean }) =>
      session.withLab((lab) => showDiff(lab, name, options.json ?? false)),
    );
  node
    .command('console')
    .description('show the serial line of a node since power-on and type on it; <ctrl-a> d leaves')
    .argument('<node>')
    .option(
      '--replay [range]',
      'play what it has printed instead, with the pauses of then: full (default), or [start]:[end] with times before now as in -5m: or -2h:-30m (s, m, h, d)',
    )
    .option('--speed <factor>', 'play that many times as fast')
    .option(
      '--history',
      'print what is there instead, with the power-ons before the last one that are kept (up to 8)',
    )
    .option('--timestamps', 'print lines with their times instead')
    .option(
      '--search <regexp>',
      'print the lines that match instead, of all power-ons that are kept (POSIX extended)',
    )
    .option('--follow', 'with these three: go on with what is printed next, until ctrl-C')
    .option('--save <file>', 'write it to a file instead: the bytes, or the lines that these options choose')
    .option('--force', 'with --save: overwrite the file')
    .action((name: string, options: ConsoleTextOptions) => showConsole(session, name, options));
}

/** Options after the set belong to the command, so commander also leaves a `--` that ends ours. */
function commandText(words: string[]): string {
  return (words[0] === '--' ? words.slice(1) : words).join(' ');
}
