import { type Command, Option } from 'commander';
import { DEFAULT_FORMAT } from './log-format.ts';
import { addCheckpoint, listCheckpoints, removeCheckpoint, retention } from './log-keep.ts';
import { showLogs, waitForLog, type ShowLogOptions, type WaitOptions } from './log-show.ts';
import type { Session } from './session.ts';

const REGEXP = 'a POSIX extended regular expression (as of `grep -E`) that lines match';

/** Declares the verbs of `bootyard log`; what they do is in the files beside. */
export function addLogCommands(program: Command, session: Session): void {
  const log = program.command('log').description('lines that nodes and the lab have logged');
  filters(log.command('show').description('print log lines: those of the past, those that come, or both'))
    .argument('[regexp]', REGEXP)
    .option('--realtime', 'print lines as they come, until ctrl-C')
    .option(
      '--raw',
      'write bytes as they came, those of serial consoles (stream virtualconsole) with all that is no text, and nothing else',
    )
    .option(
      '--history <range>',
      'full, none, or [start]:[end] with checkpoints or times before now, such as -40s, -5m, -1h, -10d',
      'none',
    )
    .action((regexp: string | undefined, options: ShowLogOptions) => showLogs(session, regexp, options));
  filters(log.command('wait').description('wait for a log line, and print it'))
    .argument('<regexp>', REGEXP)
    .option(
      '--mode <mode>',
      'ANY: until one of the issuers has logged it; ALL: until each of them has',
      'ANY',
    )
    .option('--time-margin <seconds>', 'also look at what was logged in these last seconds', '0')
    .option('--timeout <seconds>', 'give up after this time; -1, the default, is never')
    .action((regexp: string, options: WaitOptions) => waitForLog(session, regexp, options));
  addCheckpointVerbs(log, session);
  log
    .command('retention')
    .description('show how much is kept, or change it')
    .option('--size <size>', 'what lines may take of the disk, such as 500M or 2G; the first go first')
    .option('--age <age>', 'how old lines may be, such as 12h or 30d, or none for ever')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nThe file of the database keeps its size when lines go: the room is used again for lines.',
    )
    .action((options: { size?: string; age?: string; json?: boolean }) => retention(session, options));
}

/** Options of `show` and `wait`. */
function filters(command: Command): Command {
  return command
    .addOption(
      new Option('--issuers <set>', 'nodes (names, comma separated, or all-nodes) and server').default(
        undefined,
        'my-nodes',
      ),
    )
    .addOption(new Option('--emitters <set>', 'the same as --issuers').hideHelp())
    .addOption(new Option('--nodes <set>', 'the same as --issuers').hideHelp())
    .option('--streams <regexp>', 'only streams whose names match, such as ^walt-init$')
    .option('--platform', 'the same as --issuers server --streams platform.*')
    .option('--server', 'the same as --issuers server --streams daemon.*')
    .addOption(
      new Option('--format <log-format>', 'how to print a line, as a format of Python').default(
        undefined,
        DEFAULT_FORMAT,
      ),
    )
    .option('--json', 'print a JSON object for each line');
}

function addCheckpointVerbs(log: Command, session: Session): void {
  log
    .command('add-checkpoint')
    .description('name a point in time, for --history')
    .argument('<name>')
    .option(
      '--date <date>',
      '<YYYY>-<MM>-<DD> <hh>:<mm>:<ss>, or a time before now such as -5m; default: now',
    )
    .action((name: string, options: { date?: string }) => addCheckpoint(session, name, options.date));
  log
    .command('remove-checkpoint')
    .description('forget a checkpoint')
    .argument('<checkpoint>')
    .action((name: string) => removeCheckpoint(session, name));
  log
    .command('list-checkpoints')
    .description('list checkpoints')
    .option('--json', 'print JSON')
    .action((options: { json?: boolean }) => listCheckpoints(session, options.json ?? false));
}
