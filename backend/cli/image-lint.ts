import type { Command } from 'commander';
import type { Params } from '../api/contract.ts';
import type { Finding } from '../api/image.ts';
import type { LabSession, Session } from './session.ts';
import { formatTable, printable } from './table.ts';

export function addImageLint(image: Command, session: Session): void {
  image
    .command('lint')
    .description('say why an image would not boot, or not well; the exit code is 1 when there are errors')
    .argument('<image>')
    .option('--ram <size>', 'check it for nodes with so much memory, such as 1G')
    .option('--json', 'print JSON')
    .action((image: string, { ram, json = false }: { ram?: string; json?: boolean }) =>
      session.withLab((lab) => lint(lab, ram === undefined ? { image } : { image, ram }, json)),
    );
}

async function lint(lab: LabSession, request: Params<'image.lint'>, json: boolean): Promise<void> {
  const { session } = lab;
  const { image } = request;
  const findings = await lab.call('image.lint', request);
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  if (errors > 0) session.exitCode = 1;
  if (json) return session.printJson(findings);
  if (findings.length === 0) return session.print(`Nothing is wrong with image ${image}.`);
  session.print(formatTable(['severity', 'rule', 'path'], findings.map(rowOf)));
  session.print(`\n${findings.map((finding) => sentencesOf(image, finding)).join('\n')}`);
}

function rowOf({ severity, rule, path }: Finding): string[] {
  return [severity, rule, path];
}

function sentencesOf(image: string, { rule, message, fix, dockerfile, repair }: Finding): string {
  const label = repair?.do === 'label' ? ` --label ${repair.name}=VALUE` : '';
  return [
    `${rule}: ${message}`,
    `  ${fix}`,
    ...(dockerfile === undefined ? [] : [`  Dockerfile: ${dockerfile}`]),
    ...(repair === undefined ? [] : [`  Or, in the image: bootyard image fix ${image} ${rule}${label}`]),
  ]
    .map((line) => printable(line))
    .join('\n');
}
