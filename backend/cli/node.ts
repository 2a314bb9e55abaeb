import type { Command } from 'commander';
import { checkSettings, MODEL_NAMES, settingsHelp } from '../api/node.ts';
import { addNodeBootVerbs } from './boots.ts';
import { addNodeAccessCommands } from './node-access.ts';
import { addNodeCaptureCommands } from './node-capture.ts';
import { addNodeContactCommands } from './node-contact.ts';
import { addNodeDebugCommand } from './node-debug.ts';
import { addNodeDiskCommands } from './node-disk.ts';
import { addNodeExposeCommands } from './node-expose.ts';
import { config, create, remove, rename, settingsOf } from './node-edit.ts';
import { addNodeReadsVerb } from './reads.ts';
import { addNodeSnapshotCommands, createFrom } from './node-snapshot.ts';
import { boot, reboot, stop, wait } from './node-power.ts';
import { show, type ShowOptions } from './node-show.ts';
import type { Session } from './session.ts';
import { collect, nameValuePairs, timeoutSeconds } from './usage.ts';

const SET = 'node names, comma separated, or all-nodes';

interface CreateOptions {
  image?: string;
  model?: string;
  from?: string;
  set?: string[];
  wait?: boolean;
}

/** Declares the verbs of `bootyard node`; what they do is in the files beside. */
export function addNodeCommands(program: Command, session: Session): void {
  const node = program.command('node').description('virtual nodes');
  node.enablePositionalOptions();
  addLookingVerbs(node, session);
  addEditingVerbs(node, session);
  addPowerVerbs(node, session);
  addNodeAccessCommands(node, session);
  addNodeContactCommands(node, session);
  addNodeBootVerbs(node, session);
  addNodeReadsVerb(node, session);
  addNodeDebugCommand(node, session);
  addNodeCaptureCommands(node, session);
  addNodeDiskCommands(node, session);
  addNodeExposeCommands(program, node, session);
  addNodeSnapshotCommands(node, session);
}

function addLookingVerbs(node: Command, session: Session): void {
  node
    .command('show')
    .description('list nodes')
    .argument('[set]', SET)
    .option('--json', 'print JSON')
    .option('--all', 'show MAC addresses and stages too')
    .option('--names-only', 'print names only')
    .action((set: string | undefined, options: ShowOptions) =>
      session.withLab((lab) => show(lab, set, options)),
    );
}

function addEditingVerbs(node: Command, session: Session): void {
  node
    .command('create')
    .description('create a virtual node and boot it')
    .argument('<name>')
    .argument('[settings...]', 'settings as k=v')
    .option('--image <image>', 'the image to boot, instead of the default one')
    .option('--model <model>', `${MODEL_NAMES.join(' or ')} (default: what the image serves, else the first)`)
    .option('--from <node@snapshot>', 'a copy that goes on from a snapshot, instead of a boot')
    .option('--set <k=v>', 'a setting, such as ram=1G (may be given again)', collect)
    .option('--wait', 'wait until it is booted, with a line per boot stage')
    .addHelpText('after', () => `\n${settingsHelp()}`)
    .action(async (name: string, words: string[], options: CreateOptions) => {
      if (options.from !== undefined) return createFrom(session, name, words, options);
      const settings = settingsOf([...(options.set ?? []), ...words]);
      const { image, model } = options;
      await session.withLab((lab) => create(lab, { name, image, model, settings }, options.wait ?? false));
    });
  node
    .command('config')
    .description('show settings, or change them')
    .argument('<set>', SET)
    .argument('[settings...]', 'settings as k=v')
    .option('--force', 'also when a disk that holds data is set aside by it')
    .addHelpText('after', () => `\n${settingsHelp()}`)
    .action(async (set: string, words: string[], options: { force?: boolean }) => {
      const settings = nameValuePairs(words);
      checkSettings(settings);
      await session.withLab((lab) => config(lab, set, settings, options.force ?? false));
    });
  node
    .command('rename')
    .description('rename a node')
    .argument('<node>')
    .argument('<name>')
    .action((name: string, newName: string) => session.withLab((lab) => rename(lab, name, newName)));
  node
    .command('remove')
    .description('remove nodes and all that belongs to them: /persist, snapshots, disks')
    .argument('<set>', SET)
    .option(
      '--force',
      'also nodes that run, and all that is in /persist, snapshots and disks, without asking',
    )
    .action((set: string, options: { force?: boolean }) =>
      session.withLab((lab) => remove(lab, set, options.force ?? false)),
    );
}

function addPowerVerbs(node: Command, session: Session): void {
  node
    .command('boot')
    .alias('deploy')
    .description('boot nodes, on another image if one is given')
    .argument('<set>', SET)
    .argument('[image]', 'of the store, or of an engine: docker:<name>[:<tag>], podman:<name>[:<tag>]')
    .option('--wait', 'wait until they are booted, with a line per boot stage')
    .action((set: string, image: string | undefined, options: { wait?: boolean }) =>
      session.withLab((lab) => boot(lab, set, image, options.wait ?? false)),
    );
  node
    .command('reboot')
    .description('reboot nodes')
    .argument('<set>', SET)
    .option('--hard', 'do not ask the operating system first')
    .action((set: string, options: { hard?: boolean }) =>
      session.withLab((lab) => reboot(lab, set, options.hard ?? false)),
    );
  node
    .command('stop')
    .description('power nodes off')
    .argument('<set>', SET)
    .action((set: string) => session.withLab((lab) => stop(lab, set)));
  node
    .command('wait')
    .description('wait until nodes are booted')
    .argument('<set>', SET)
    .option('--timeout <seconds>', 'give up after this time; -1, the default, is never')
    .action(async (set: string, options: { timeout?: string }) => {
      const seconds = timeoutSeconds(options.timeout);
      await session.withLab((lab) => wait(lab, set, seconds));
    });
}
