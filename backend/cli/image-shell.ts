import type { Command } from 'commander';
import type { Result } from '../api/contract.ts';
import { diffListing, diffSummary } from '../api/diff-listing.ts';
import { connectToLab } from '../api/lab-control.ts';
import { LOGIN_SHELL, ShellHold } from '../api/shell-hold.ts';
import { withConsent } from './consent.ts';
import { CONNECTION_LOST, runWithTerminal } from './node-run.ts';
import { isToBeSaved, REBOOT, saySaved, type ShellOptions, task, underName } from './image-shell-save.ts';
import type { LabSession, Session } from './session.ts';
import { formatSize } from './table.ts';
import { UsageError } from './usage.ts';

type Diff = Result<'image.shellDiff'>;

export function addImageShell(image: Command, session: Session): void {
  image
    .command('shell')
    .description(
      'open a root shell in an image, booted on a temporary node, and save what it changes as a layer; with input that is no ' +
        'terminal or with a command, that runs instead, and is saved if it succeeds',
    )
    .argument('<image>')
    .argument('[command...]', 'behind --')
    .option('--name <image>', 'save under this name instead of asking')
    .option(
      '--engine <engine>',
      'docker or podman: in a container of it, as WalT has it, with the kernel of this host',
    )
    .option('--force', 'replace an image of that name, and reboot the nodes that run on it, without asking')
    .action((name: string, command: string[], options: ShellOptions) => {
      if (!session.interactive && options.name === undefined && !options.force) {
        throw new UsageError(
          '`image shell` asks for a name before it saves: where nobody can answer give --name, or --force to change the image itself.',
        );
      }
      const text = command.join(' ');
      return session.withLab(async (lab) => {
        if (options.engine === undefined) return await shell(lab, name, text, options);
        const { engineShell } = await import('./image-engine-shell.ts');
        await engineShell(lab, name, text, options);
      });
    });
}

async function shell(lab: LabSession, image: string, command: string, options: ShellOptions): Promise<void> {
  const { session } = lab;
  const { name, force = false } = options;
  const params = { image, ...(name === undefined ? {} : { saveAs: { image: name, force } }) };
  const hold = await ShellHold.open(() => connectToLab({ start: false }), params, task(lab));
  try {
    session.progress.clear();
    if (await run(lab, hold, command)) await keep(lab, hold, image, options);
  } finally {
    hold.release();
  }
}

/** Answers false when what was changed is not to be saved. */
async function run(lab: LabSession, hold: ShellHold, command: string): Promise<boolean> {
  const { session } = lab;
  const { node } = hold;
  const isTyped = command === '' && session.interactive;
  const script = command === '' ? 'exec "${SHELL:-/bin/sh}"' : command;
  for (;;) {
    const client = await hold.client;
    const params = { node, command: isTyped ? LOGIN_SHELL : script, tty: session.interactive };
    const { argv } = await client.call('node.shellCommand', params);
    const code = await session.leavingInterrupts(() => runWithTerminal(argv));
    if (code === CONNECTION_LOST && isTyped) {
      if (!(await session.confirm('The connection to the shell was lost. Connect again?'))) return true;
      await hold.untilBack(task(lab));
      session.progress.clear();
      continue;
    }
    return isToBeSaved(session, code, isTyped);
  }
}

/** Shows what was changed, and saves it under the name that was given or is asked for. */
async function keep(lab: LabSession, hold: ShellHold, image: string, options: ShellOptions): Promise<void> {
  const { session } = lab;
  const diff = await hold.diff(task(lab));
  session.progress.clear();
  if (diff.count === 0) return session.print(`Nothing was changed: image ${image} stays as it is.`);
  session.print([...diffListing(diff, formatSize), diffSummary(hold.node, diff, formatSize)].join('\n'));
  const { force = false } = options;
  await underName(session, image, options, (name) => save(lab, hold, diff, name, force));
}

async function save(
  lab: LabSession,
  hold: ShellHold,
  { id, image }: Diff,
  name: string,
  force: boolean,
): Promise<void> {
  await withConsent(lab, force, REBOOT, async (consent) => {
    const saved = await hold.save({ id, image: name, force: consent }, task(lab));
    saySaved(lab.session, saved.image.name !== image && !force, saved);
  });
}
