import type { z } from 'zod';
import { BootyardError } from '../../errors.ts';
import type { ApiClient } from '../client.ts';
import type { Progress } from '../contract.ts';
import { firstIssue } from '../rpc-error.ts';

/** What a tool works with. */
export interface ToolContext {
  client: Pick<ApiClient, 'call'>;
  signal: AbortSignal;
  onProgress?: (progress: Progress) => void;
}

/** What a tool is about to do, for the user to agree. */
export interface Question {
  /** Names in it are a model's: it is shown as text, not as Markdown. */
  text: string;
  /** a program that would run, as it is */
  code?: string;
}

interface ToolParts<I extends z.ZodObject, O extends z.ZodObject> {
  /** in snake case, as models know tools; editors put `bootyard_` before it */
  name: string;
  title: string;
  /** for the model: what it does, when to use it, what comes back */
  description: string;
  input: I;
  output: O;
  /** absent: it changes nothing */
  changes?: {
    /** what could be lost by it; without, it only adds */
    destructive: boolean;
    /** what a user is asked before, where there is somebody to ask */
    question: (input: z.output<I>) => Question;
    /** input that says that the user has agreed */
    agreed?: Partial<z.input<I>>;
  };
  run: (input: z.output<I>, context: ToolContext) => Promise<z.input<O>>;
}

/** One verb for agents. Whatever it is offered by (MCP, the editor's language models) takes name, words and schemas from here. */
export interface AgentTool {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: z.ZodObject;
  readonly output: z.ZodObject;
  readonly readOnly: boolean;
  readonly destructive: boolean;
  /** What to ask the user before; undefined: nothing. Throws `tool.input` with a sentence. */
  question(input: unknown): Question | undefined;
  /** Throws BootyardErrors only: `tool.input`, `tool.consent` and those of the daemon. `agreed`: the user was asked. */
  invoke(input: unknown, context: ToolContext, agreed?: boolean): Promise<Record<string, unknown>>;
}

export function agentTool<I extends z.ZodObject, O extends z.ZodObject>(parts: ToolParts<I, O>): AgentTool {
  const { name, title, description, changes } = parts;
  const input = parts.input.strict();
  const check = (value: unknown): z.output<I> => {
    const checked = input.safeParse(value);
    if (checked.success) return checked.data as z.output<I>;
    throw new BootyardError('tool.input', `${name} does not take this input: ${firstIssue(checked.error)}.`);
  };
  return {
    name,
    title,
    description,
    input,
    output: parts.output,
    readOnly: changes === undefined,
    destructive: changes?.destructive ?? false,
    question: (value) => changes?.question(check(value)),
    invoke: async (value, context, agreed = false) => {
      const answer = agreed && changes?.agreed ? { ...Object(value), ...changes.agreed } : value;
      return parts.output.parse(await parts.run(check(answer), context));
    },
  };
}

/** The first of many, and how many are left out: an answer has to fit into a model's context. */
export function firstOf<T>(all: readonly T[], most: number): { shown: T[]; leftOut: number } {
  return { shown: all.slice(0, most), leftOut: Math.max(0, all.length - most) };
}
