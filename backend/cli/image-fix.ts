import type { Command } from 'commander';
import type { Params, Result } from '../api/contract.ts';
import { withConsent } from './consent.ts';
import type { LabSession, Session } from './session.ts';
import { printable } from './table.ts';
import { collect, nameValuePairs, UsageError } from './usage.ts';

interface FixOptions {
  all?: boolean;
  label?: string[];
  force?: boolean;
  json?: boolean;
}

export function addImageFix(image: Command, session: Session): void {
  image
    .command('fix')
    .description(
      'repair in the image itself what `image lint` finds, where only one change can be meant; the exit code is 1 when named rules still find something',
    )
    .argument('<image>')
    .argument('[rule...]', 'what to repair, as `image lint` names it')
    .option('--all', 'repair all that can be')
    .option(
      '--label <k=v>',
      'the right value of a label that is missing or wrong (may be given again)',
      collect,
    )
    .option('--force', 'reboot the nodes that run on the image without asking')
    .option('--json', 'print JSON')
    .action((name: string, rules: string[], options: FixOptions) => {
      if (rules.length > 0 === (options.all ?? false)) {
        throw new UsageError('Name the rules to repair, or give --all.');
      }
      const sentence = 'Please provide labels as `<label name>=<label value>`.';
      const labels = nameValuePairs(options.label ?? [], sentence);
      return session.withLab((lab) => fix(lab, { image: name, rules, labels }, options));
    });
}

const REBOOT = {
  code: 'image.wouldReboot',
  question: 'Are you sure?',
  unchanged: 'Nothing was changed.',
};

async function fix(lab: LabSession, request: Params<'image.fix'>, options: FixOptions): Promise<void> {
  await withConsent(lab, options.force ?? false, REBOOT, async (force) => {
    const fixed = await lab.call('image.fix', { ...request, force });
    const isAll = options.all ?? false;
    if (!isAll && fixed.left.length > 0) lab.session.exitCode = 1;
    if (options.json) lab.session.printJson(fixed);
    else tell(lab.session, fixed, isAll);
  });
}

/** Of the rules that were named, all that is left is said; of all rules, how much. */
function tell(
  session: Session,
  { image, repaired, rebooted, left }: Result<'image.fix'>,
  isAll: boolean,
): void {
  for (const { rule, done } of repaired) session.print(printable(`${rule}: ${done}`));
  if (repaired.length === 0)
    session.print(`Image ${image.name} has nothing that can be repaired: nothing was changed.`);
  for (const name of rebooted) session.print(`Node ${name}: rebooted ok.`);
  if (isAll && left.length > 0) {
    const what = left.length === 1 ? '1 finding is' : `${left.length} findings are`;
    session.say(`${what} left for you: bootyard image lint ${image.name}`);
  } else for (const { rule, message, fix } of left) session.say(printable(`${rule}: ${message} ${fix}`));
}
