import { type Command, Option } from 'commander';
import { labPaths } from '../api/lab-control.ts';
import { MODEL_NAMES } from '../api/node.ts';
import { type Check, runDoctor } from '../lab/doctor.ts';
import type { Session } from './session.ts';

const words = { ok: 'ok', warn: 'warn', fail: 'FAIL' } as const;

export function addDoctorCommand(program: Command, session: Session): void {
  program
    .command('doctor')
    .description('check what this machine has and allows; needs no lab')
    .option('--json', 'print JSON')
    .addOption(
      new Option('--model <model>', 'also what nodes of this model need, before there is one').choices(
        MODEL_NAMES,
      ),
    )
    .action(async (options: { json?: boolean; model?: string }) => {
      session.progress.show({ message: 'Looking at this machine' });
      const checks = await runDoctor({
        paths: labPaths(),
        node: process.env.BOOTYARD_NODE || process.execPath,
        models: options.model === undefined ? [] : [options.model],
      });
      if (options.json) session.printJson(checks);
      else for (const check of checks) session.print(describe(check));
      if (checks.some((check) => check.level === 'fail')) session.exitCode = 1;
    });
}

function describe({ level, name, message, fix }: Check): string {
  const line = `${words[level].padEnd(4)} ${name}: ${message}`;
  return fix === undefined ? line : `${line}\n     fix: ${fix}`;
}
