import type { Command, Option } from 'commander';
import { completionScripts, type Shell } from './completion-scripts.ts';
import { argumentSource, optionSource } from './completion-values.ts';
import type { Session } from './session.ts';
import { UsageError } from './usage.ts';

export function addCompletionCommands(program: Command, session: Session): void {
  program
    .command('completion')
    .description(
      'print a completion script; put `source <(bootyard completion bash)` into ~/.bashrc, or the same with zsh into ~/.zshrc, below compinit',
    )
    .argument('<shell>', 'bash or zsh')
    .action((shell: string) => {
      if (!isShell(shell)) throw new UsageError(`There is completion for bash and zsh, not for '${shell}'.`);
      session.print(completionScripts[shell].trim());
    });
  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .passThroughOptions()
    .allowUnknownOption()
    .action(async (words: string[]) => {
      for (const candidate of await candidatesFor(program, words)) session.print(candidate);
    });
}

function isShell(shell: string): shell is Shell {
  return Object.hasOwn(completionScripts, shell);
}

/** What the last word may become; the others stand before it. Never starts a lab and never says what went wrong. */
export async function candidatesFor(program: Command, words: string[]): Promise<string[]> {
  const last = words.at(-1) ?? '';
  const { command, values, pending } = locate(program, words.slice(0, -1));
  const all = pending
    ? ((await optionSource(pending)?.(last, values)) ?? [])
    : await candidates(command, values, last);
  return all.filter((candidate) => candidate !== '' && candidate.startsWith(last));
}

async function candidates(command: Command, values: string[], last: string): Promise<string[]> {
  if (last.startsWith('-')) return command.options.map((option) => option.long ?? '');
  if (command.commands.length > 0)
    return command.commands.map((verb) => verb.name()).filter((name) => !name.startsWith('_'));
  const { registeredArguments: all } = command;
  const argument = all[values.length] ?? all.findLast(({ variadic }) => variadic);
  return argument ? ((await argumentSource(command, argument)?.(last, values)) ?? []) : [];
}

/** The command that the words lead to, its arguments among them, and the option that waits for its value. */
function locate(
  program: Command,
  words: string[],
): { command: Command; values: string[]; pending: Option | undefined } {
  let command = program;
  let pending: Option | undefined;
  const values: string[] = [];
  for (const word of words) {
    const next = command.commands.find((verb) => verb.name() === word || verb.aliases().includes(word));
    if (pending) pending = undefined;
    else if (next) command = next;
    else if (word.startsWith('-')) {
      pending = command.options.find((option) => option.long === word && option.required);
    } else values.push(word);
  }
  return { command, values, pending };
}
