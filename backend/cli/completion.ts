import type { Argument, Command } from 'commander';
import type { ApiClient } from '../api/client.ts';
import { connectToLab } from '../api/lab-control.ts';
import { NodeSettings } from '../api/node.ts';
import { completionScripts, type Shell } from './completion-scripts.ts';
import type { Session } from './session.ts';
import { UsageError } from './usage.ts';

const LIMIT_MS = 1500;

export function addCompletionCommands(program: Command, session: Session): void {
  program
    .command('completion')
    .description('print a completion script; put `source <(bootyard completion bash)` into ~/.bashrc')
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
  const { command, values } = locate(program, words.slice(0, -1));
  if (last.startsWith('-'))
    return matching(
      command.options.map((option) => option.long ?? ''),
      last,
    );
  const verbs = command.commands.map((verb) => verb.name()).filter((name) => !name.startsWith('_'));
  if (verbs.length > 0) return matching(verbs, last);
  const argument = command.registeredArguments[values] ?? command.registeredArguments.at(-1);
  if (argument === undefined || (values >= command.registeredArguments.length && !argument.variadic))
    return [];
  return await valuesOf(argument, last);
}

/** The command that the words lead to, and how many of its arguments they hold. */
function locate(program: Command, words: string[]): { command: Command; values: number } {
  let command = program;
  let values = 0;
  for (const word of words) {
    const next = command.commands.find((verb) => verb.name() === word || verb.aliases().includes(word));
    if (next !== undefined) command = next;
    else if (!word.startsWith('-')) values++;
  }
  return { command, values };
}

async function valuesOf(argument: Argument, last: string): Promise<string[]> {
  switch (argument.name()) {
    case 'node':
      return matching(await askLab(nodeNames), last);
    case 'set': {
      // A set is a comma list: what stands before the last comma stays.
      const stem = last.slice(0, last.lastIndexOf(',') + 1);
      const names = [...(await askLab(nodeNames)), 'all-nodes'];
      return matching(
        names.map((name) => stem + name),
        last,
      );
    }
    case 'source':
    case 'destination':
      // Before the colon; files complete where no node's name begins so.
      return matching(
        (await askLab(nodeNames)).map((name) => `${name}:`),
        last,
      );
    case 'image':
      return matching(await askLab(imageNames), last);
    case 'settings':
      return matching(
        Object.keys(NodeSettings.shape).map((name) => `${name}=`),
        last,
      );
    case 'shell':
      return matching(Object.keys(completionScripts), last);
    default:
      return [];
  }
}

const nodeNames = async (client: ApiClient) => (await client.call('node.list', {})).map((node) => node.name);
const imageNames = async (client: ApiClient) =>
  (await client.call('image.list', {})).map((image) => image.name);

async function askLab(ask: (client: ApiClient) => Promise<string[]>): Promise<string[]> {
  try {
    const client = await connectToLab({ start: false, signal: AbortSignal.timeout(LIMIT_MS) });
    try {
      return await ask(client);
    } finally {
      client.dispose();
    }
  } catch {
    // Somebody types: no lab means no names, and an error would land in their command line.
    return [];
  }
}

function matching(candidates: string[], begin: string): string[] {
  return candidates.filter((candidate) => candidate !== '' && candidate.startsWith(begin));
}
