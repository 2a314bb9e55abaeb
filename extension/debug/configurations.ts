import { basename, dirname, posix, relative } from 'node:path';
import * as z from 'zod';
import { quoted } from '../../backend/api/copy/scripts.ts';

/** Of the manifest's `debuggers`. */
export const KERNEL = 'bootyard-kernel';
export const PYTHON = 'bootyard-python';
export const NATIVE = 'bootyard-native';
export const NODEJS = 'bootyard-nodejs';

const HOME_IN_NODE = '/root';

const PathMapping = z.object({ localRoot: z.string(), remoteRoot: z.string() });
export type PathMapping = z.infer<typeof PathMapping>;

/** The kernel of a node, as a launch configuration names it; what is missing there is as it is here. */
export const KernelConfiguration = z.object({
  node: z.string().min(1),
  gdb: z.string().min(1).default('gdb'),
  commands: z.array(z.string()).default([]),
  pathMappings: z.array(PathMapping).default([]),
});

/** A program in a node; the rest is for its debugger. */
export const ProgramConfiguration = z.object({
  node: z.string().min(1),
  copy: z.array(z.string()).default([]),
  pathMappings: z.array(PathMapping).default([]),
});
export const PythonConfiguration = ProgramConfiguration.extend({
  python: z.string().min(1).default('python3'),
  program: z.string().optional(),
});
/** What Bootyard itself starts. */
const StartedConfiguration = ProgramConfiguration.extend({
  program: z.string().regex(/^\//, 'it has to be a path in the node that begins with /'),
  args: z.array(z.string()).default([]),
  cwd: z.string().min(1).default('/'),
  env: z.record(z.string().regex(/^\w+$/), z.string()).default({}),
});
export const NativeConfiguration = StartedConfiguration.extend({
  gdb: z.string().min(1).default('gdb'),
  commands: z.array(z.string()).default([]),
});
export const NodeJsConfiguration = StartedConfiguration.extend({
  runtime: z.string().min(1).default('node'),
});

/** A launch configuration in plain values. */
export interface Configuration {
  type: string;
  request: 'launch' | 'attach';
  name: string;
  node: string;
  program?: string;
  copy?: string[];
  pathMappings?: PathMapping[];
}

export function kernelConfiguration(node: string): Configuration {
  return { type: KERNEL, request: 'attach', name: `Kernel of ${node}`, node };
}

/** A program of this machine, which is copied into a node each time before it runs there. */
export function localProgram(type: string, node: string, file: string): Configuration {
  const localRoot = dirname(file);
  const mapping = { localRoot, remoteRoot: posix.join(HOME_IN_NODE, basename(localRoot)) };
  return {
    ...{ type, request: 'launch', name: `${basename(file)} in ${node}`, node },
    ...{ program: pathInNode([mapping], file), copy: [file], pathMappings: [mapping] },
  };
}

/** A program that a node has, and where its source is among `files` of this machine: there what has most of its path. */
export function programOfNode(
  type: string,
  node: string,
  program: string,
  files: readonly string[],
): Configuration {
  const mapping = files
    .map((file) => ({ file, common: commonEnd(file, program) }))
    .toSorted((one, other) => other.common - one.common)
    .filter(({ common }) => common > 0)
    .map(({ file, common }) => ({ localRoot: above(file, common), remoteRoot: above(program, common) }))[0];
  const base = {
    type,
    request: 'launch' as const,
    name: `${posix.basename(program)} in ${node}`,
    node,
    program,
  };
  return mapping ? { ...base, pathMappings: [mapping] } : base;
}

/** How many components two paths have in common at their ends. */
function commonEnd(one: string, other: string): number {
  const [first, second] = [one, other].map((path) => path.split('/').toReversed());
  const differs = first?.findIndex((name, index) => name === '' || name !== second?.[index]) ?? 0;
  return differs < 0 ? 0 : differs;
}

function above(path: string, components: number): string {
  return path.split('/').slice(0, -components).join('/') || '/';
}

/** Where a file of this machine is in the node. Throws a sentence for one that no mapping leads to. */
export function pathInNode(mappings: readonly PathMapping[], file: string): string {
  const path = mapped(mappings, file);
  if (path !== undefined) return path;
  throw new Error(`No localRoot of pathMappings has ${file}, which is to be copied: add one.`);
}

function mapped(mappings: readonly PathMapping[], file: string): string | undefined {
  for (const { localRoot, remoteRoot } of mappings) {
    const path = relative(localRoot, file);
    if (path !== '..' && !path.startsWith('../')) return posix.join(remoteRoot, path);
  }
  return undefined;
}

/** Where a file of the node is on this machine, if a mapping says so. */
export function pathHere(mappings: readonly PathMapping[], path: string): string | undefined {
  const turned = mappings.map(({ localRoot, remoteRoot }) => ({
    localRoot: remoteRoot,
    remoteRoot: localRoot,
  }));
  return mapped(turned, path);
}

/** A shell command that runs a program by another, `starter`, which is in shell words. */
export function startWords(
  { program, args, cwd, env }: z.infer<typeof StartedConfiguration>,
  starter: string,
): string {
  const variables = Object.entries(env).map(([name, value]) => quoted(`${name}=${value}`));
  const words = [starter, ...[program, ...args].map(quoted)];
  return `cd ${quoted(cwd)} && exec env ${[...variables, ...words].join(' ')}`;
}

/** gdb's commands by which it finds the sources of what was built elsewhere. */
export function sourceCommands(mappings: readonly PathMapping[]): string[] {
  return mappings.map(
    ({ localRoot, remoteRoot }) => `set substitute-path ${gdbWord(remoteRoot)} ${gdbWord(localRoot)}`,
  );
}

/** gdb takes arguments apart as `buildargv` of libiberty does. */
function gdbWord(path: string): string {
  return /^[\w./+@:-]+$/.test(path) ? path : `"${path.replace(/["\\]/g, '\\$&')}"`;
}

/** What is wrong with a launch configuration that `schema` does not take, in a sentence. */
export function checked<T>(schema: z.ZodType<T>, configuration: { name: string; [key: string]: unknown }): T {
  const answer = schema.safeParse(configuration);
  if (answer.success) return answer.data;
  const [issue] = answer.error.issues;
  const where = issue?.path.join('.') ?? '';
  throw new Error(
    `The launch configuration "${configuration.name}" is wrong at "${where}": ${issue?.message}.`,
  );
}
