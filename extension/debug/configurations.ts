import * as z from 'zod';

/** Of the manifest's `debuggers`. */
export const KERNEL = 'bootyard-kernel';

const PathMapping = z.object({ localRoot: z.string(), remoteRoot: z.string() });
type PathMapping = z.infer<typeof PathMapping>;

/** The kernel of a node, as a launch configuration names it; what is missing there is as it is here. */
export const KernelConfiguration = z.object({
  node: z.string().min(1),
  gdb: z.string().min(1).default('gdb'),
  commands: z.array(z.string()).default([]),
  pathMappings: z.array(PathMapping).default([]),
});

/** A launch configuration in plain values. */
export interface Configuration {
  type: string;
  request: 'launch' | 'attach';
  name: string;
  node: string;
}

export function kernelConfiguration(node: string): Configuration {
  return { type: KERNEL, request: 'attach', name: `Kernel of ${node}`, node };
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
