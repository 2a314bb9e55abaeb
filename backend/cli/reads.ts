import type { Command } from 'commander';
import { imageUsageText, readsText } from '../api/reads-listing.ts';
import { bootNumber } from './boots.ts';
import type { Session } from './session.ts';

export function addNodeReadsVerb(node: Command, session: Session): void {
  node
    .command('reads')
    .description(
      'list the files of its image that a node has read in its last boot, or in the one of that number',
    )
    .argument('<node>')
    .argument('[boot]', 'its number in `node boots`', bootNumber)
    .option('--json', 'print JSON')
    .action((name: string, boot: number | undefined, { json = false }: { json?: boolean }) =>
      session.withLab(async (lab) => {
        const reads = await lab.call('node.reads', { node: name, boot });
        if (json) session.printJson(reads);
        else session.print(readsText(reads));
      }),
    );
}

export function addImageUsageVerb(image: Command, session: Session): void {
  image
    .command('usage')
    .description(
      'show what boots read of an image: what they need, and which packages and directories they never touch',
    )
    .argument('<image>')
    .option('--json', 'print JSON, with all of each list')
    .action((name: string, { json = false }: { json?: boolean }) =>
      session.withLab(async (lab) => {
        const usage = await lab.call('image.usage', { image: name });
        if (json) session.printJson(usage);
        else session.print(imageUsageText(usage));
      }),
    );
}
