import type { Command } from 'commander';
import { labPaths } from '../api/lab-control.ts';
import { type Check, runDoctor } from '../lab/doctor.ts';
import type { Session } from './session.ts';

const words = { ok: 'ok', warn: 'warn', fail: 'FAIL' } as const;

export function addDoctorCommand(program: Command, session: Session): void {
  program
    .command('doctor')
    .description('check what this machine has and allows; needs no lab')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }) => {
      session.progress.show({ message: 'Looking at this machine' });
      const checks = await runDoctor({
        paths: labPaths(),
        node: process.env.BOOTYARD_NODE || process.execPath,
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
