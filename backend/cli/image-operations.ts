import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { Params, Result } from '../api/contract.ts';
import { DIFF_ORDERS, EXPORT_FORMATS } from '../api/image-operations.ts';
import { withConsent } from './consent.ts';
import { changesText, historyTable, usageText } from '../api/image-listing.ts';
import type { LabSession, Session } from './session.ts';
import { formatSize } from './table.ts';
import { collect, nameValuePairs, UsageError } from './usage.ts';

const JSON_OPTION = ['--json', 'print JSON'] as const;
const FORCE = ['--force', 'reboot the nodes that run on the image without asking'] as const;
/** of one answer of the daemon */
const LISTED = 10_000;
const IN_JSON = 50_000;

interface Forced {
  force?: boolean;
  json?: boolean;
}

/** What is done to images as a whole, and copies in and out of them. */
export function addImageOperations(image: Command, session: Session): void {
  addReaders(image, session);
  addNaming(image, session);
  addChangers(image, session);
  addCopies(image, session);
}

function addReaders(image: Command, session: Session): void {
  image
    .command('history')
    .description('show how an image was made, the last step first, and which images share its layers')
    .argument('<image>')
    .option(...JSON_OPTION)
    .action((name: string, { json }: Forced) =>
      session.withLab(async (lab) => {
        const steps = await lab.call('image.history', { image: name });
        if (json) session.printJson(steps);
        else session.print(historyTable(steps));
      }),
    );
  image
    .command('diff')
    .description('list the files by which the second image differs from the first; times do not count')
    .argument('<image>')
    .argument('<other-image>')
    .addOption(new Option('--by <order>', 'the order of the list').choices(DIFF_ORDERS).default('path'))
    .option(...JSON_OPTION)
    .action((from: string, to: string, { by, json }: { by: Params<'image.diff'>['by']; json?: boolean }) =>
      session.withLab(async (lab) => {
        const diff = await lab.call('image.diff', { from, to, by, limit: json ? IN_JSON : LISTED });
        if (json) session.printJson(diff);
        else session.print(changesText(diff, by ?? 'path'));
      }),
    );
  image
    .command('df')
    .description('show where the disk space of images goes')
    .option(...JSON_OPTION)
    .action(({ json }: Forced) =>
      session.withLab(async (lab) => {
        const usage = await lab.call('image.df', {});
        if (json) session.printJson(usage);
        else session.print(usageText(usage));
      }),
    );
  image
    .command('gc')
    .description('remove files that no image needs; done after each change of an image, too')
    .action(() =>
      session.withLab(async (lab) => {
        const { freedBytes } = await lab.call('image.gc', {});
        session.print(`${formatSize(freedBytes)} freed.`);
      }),
    );
}

function addNaming(image: Command, session: Session): void {
  image
    .command('duplicate')
    .description('give an image one more name; no space is taken')
    .argument('<image>')
    .argument('<name>')
    .action((name: string, as: string) =>
      session.withLab(async (lab) => {
        await lab.call('image.duplicate', { image: name, name: as });
      }),
    );
  image
    .command('rename')
    .description('rename an image that no node uses')
    .argument('<image>')
    .argument('<name>')
    .action((name: string, as: string) =>
      session.withLab(async (lab) => {
        await lab.call('image.rename', { image: name, name: as });
      }),
    );
}

function addChangers(image: Command, session: Session): void {
  image
    .command('squash')
    .description('make one layer of all layers of an image, under another name if one is given')
    .argument('<image>')
    .argument('[name]')
    .option('--force', 'replace an image of that name, and reboot the nodes that run on it, without asking')
    .action((name: string, as: string | undefined, options: Forced) =>
      session.withLab(async (lab) => {
        await change(
          lab,
          options,
          `Image ${name} has one layer already: nothing was changed.`,
          async (force) => {
            const done = await lab.call('image.squash', { image: name, as, force });
            return { ...done, said: 'Image was squashed successfully.' };
          },
        );
      }),
    );
  image
    .command('label')
    .description('set or remove labels of an image, such as walt.node.models=pc-x86-64')
    .argument('<image>')
    .argument('[labels...]', '<label name>=<label value>')
    .option('--remove <label>', 'remove a label (may be given again)', collect)
    .option(...FORCE)
    .action((name: string, words: string[], options: Forced & { remove?: string[] }) => {
      const labels = nameValuePairs(words, 'Please provide labels as `<label name>=<label value>`.');
      const remove = options.remove ?? [];
      if (words.length + remove.length === 0) throw new UsageError('Give a label to set, or --remove one.');
      return session.withLab(async (lab) => {
        const unchanged = `Image ${name} has these labels already: nothing was changed.`;
        await change(lab, options, unchanged, async (force) => {
          const done = await lab.call('image.label', { image: name, labels, remove, force });
          return { ...done, said: `Image ${done.image.name} updated.` };
        });
      });
    });
}

function addCopies(image: Command, session: Session): void {
  image
    .command('export')
    .description('write an image into a tar that skopeo, Docker and Podman read')
    .argument('<image>')
    .argument('<file>')
    .addOption(
      new Option('--format <format>', 'what the tar is').choices(EXPORT_FORMATS).default('oci-archive'),
    )
    .option('--force', 'replace a file that is there')
    .action((name: string, file: string, { format, force = false }: ExportOptions) =>
      session.withLab(async (lab) => {
        await lab.call('image.export', { image: name, file: resolve(file), format, force });
      }),
    );
  image
    .command('cp')
    .description('copy a file or a folder into an image, or out of it: one of the two is <image>:<path>')
    .argument('<source>')
    .argument('<destination>')
    .option('-a, --archive', 'keep owners and extended attributes; otherwise all is root’s in the image')
    .option(...FORCE)
    .action((from: string, to: string, options: Forced & { archive?: boolean }) =>
      session.withLab(async (lab) => {
        const { archive = false } = options;
        const request = { from, to, folder: process.cwd(), archive };
        await withConsent(lab, options.force ?? false, REBOOT, async (force) => {
          const done = await lab.call('image.cp', { ...request, force });
          sayCopied(session, done, to);
        });
      }),
    );
}

interface ExportOptions {
  format: Params<'image.export'>['format'];
  force?: boolean;
}

const REBOOT = {
  code: ['image.wouldReboot', 'image.exists'],
  question: 'Are you sure?',
  unchanged: 'Nothing was changed.',
};

/** Does what changes an image, with consent to what that costs, and tells what came of it. */
async function change(
  lab: LabSession,
  { force = false }: Forced,
  unchanged: string,
  act: (force: boolean) => Promise<{ changed: boolean; rebooted: string[]; said: string }>,
): Promise<void> {
  const { session } = lab;
  await withConsent(lab, force, REBOOT, async (consent) => {
    const { changed, rebooted, said } = await act(consent);
    session.print(changed ? said : unchanged);
    for (const name of rebooted) session.print(`Node ${name}: rebooted ok.`);
  });
}

function sayCopied(
  session: Session,
  { image, changed, rebooted, warnings }: Result<'image.cp'>,
  to: string,
): void {
  for (const warning of warnings) session.say(warning);
  if (changed) session.print(`Image ${image} updated.`);
  else if (to.startsWith(`${image}:`)) session.print(`Image ${image} has it already: nothing was changed.`);
  for (const name of rebooted) session.print(`Node ${name}: rebooted ok.`);
}
