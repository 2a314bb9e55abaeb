import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { BOOT_TEST_ENDING, readBootTest, type BootCase } from '../api/boot-test/cases.ts';
import { caseLines, junit, summary, tapBegin, tapPoint } from '../api/boot-test/report.ts';
import { BootTestRunner, type CaseResult } from '../api/boot-test/run.ts';
import { YamlError } from '../api/yaml-file.ts';
import { BootyardError, messageOf } from '../errors.ts';
import type { LabSession, Session } from './session.ts';
import { printable } from './table.ts';
import { UsageError } from './usage.ts';

interface TestOptions {
  tap?: boolean;
  junit?: string;
  json?: boolean;
  filter?: string;
  list?: boolean;
  keep?: boolean;
}

export function addTestCommand(program: Command, session: Session): void {
  program
    .command('test')
    .description(
      'run boot tests: each case boots a node of its own on an image and checks what becomes of it; the exit code is 1 when one fails',
    )
    .argument('<path...>', `files, or folders with files *${BOOT_TEST_ENDING}`)
    .option('--tap', 'print TAP 14')
    .option('--json', 'print JSON')
    .option('--junit <file>', "write JUnit's XML to this file, too")
    .option('--filter <text>', 'only cases whose name contains this text')
    .option('--list', 'name the cases and run none')
    .option('--keep', 'the node of a case that fails stays, to look into it')
    .action(async (paths: string[], options: TestOptions) => {
      if (options.tap && options.json) throw new UsageError('--tap and --json do not go together.');
      const cases = readCases(paths.flatMap(filesAt)).filter(({ name }) =>
        name.includes(options.filter ?? ''),
      );
      if (cases.length === 0) {
        const where = paths.join(', ');
        throw new UsageError(
          options.filter === undefined
            ? `There is no file *${BOOT_TEST_ENDING} in ${where}.`
            : `No case in ${where} has '${options.filter}' in its name: --list names them.`,
        );
      }
      if (options.list) return list(session, cases, options);
      // Found out before the boots.
      if (options.junit !== undefined) write(options.junit, '');
      await session.withLab((lab) => run(lab, cases, options));
    });
}

/** Folders are looked through to the ground, in the order of the names. */
function filesAt(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const entries = readdirSync(path, { withFileTypes: true, recursive: true });
    return entries
      .filter((entry) => entry.isFile() && entry.name.endsWith(BOOT_TEST_ENDING))
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => !/(^|\/)(node_modules|\.git)\//.test(file))
      .sort();
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** All that is wrong in all files is said before anything boots. */
function readCases(files: readonly string[]): BootCase[] {
  const wrong: string[] = [];
  const cases = [...new Set(files)].flatMap((file) => {
    try {
      return readBootTest(read(file), file);
    } catch (error) {
      if (!(error instanceof YamlError)) throw error;
      wrong.push(error.message);
      return [];
    }
  });
  if (wrong.length > 0) throw new BootyardError('test.file', wrong.join('\n'));
  return cases;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw unreadable(file, error);
  }
}

function unreadable(path: string, error: unknown): BootyardError {
  return new BootyardError('test.file', `${path} cannot be read: ${messageOf(error)}.`);
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new BootyardError('test.report', `${file} cannot be written: ${messageOf(error)}.`);
  }
}

function list(session: Session, cases: readonly BootCase[], { json }: TestOptions): void {
  if (json)
    return session.printJson(
      cases.map(({ name, file, image, settings }) => ({ name, file, image, settings })),
    );
  for (const { name, file } of cases) session.print(`${file}: ${name}`);
}

async function run(lab: LabSession, cases: readonly BootCase[], options: TestOptions): Promise<void> {
  const { session, signal } = lab;
  const runner = new BootTestRunner(lab.client);
  const startedAt = new Date();
  const results: CaseResult[] = [];
  if (options.tap) session.print(tapBegin(cases.length));
  try {
    for (const test of cases) {
      const { keep = false } = options;
      const result = await runner.run(test, { signal, keep, onProgress: session.progress.show });
      results.push(result);
      if (result.failures.length > 0) session.exitCode = 1;
      if (options.tap) session.print(tapPoint(results.length, result));
      else if (!options.json) session.print(caseLines(result).join('\n'));
    }
  } catch (error) {
    if (options.tap) session.print(`Bail out! ${printable(messageOf(error))}`);
    throw error;
  }
  if (options.json) session.printJson(results);
  else if (!options.tap) session.print(summary(results));
  if (options.junit !== undefined) write(options.junit, junit(results, startedAt));
}
