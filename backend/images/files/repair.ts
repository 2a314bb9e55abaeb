import * as z from 'zod';

const Path = z.string().startsWith('/');

/**
 * One change of an image's files that mends something. Paths as `escapedText` writes them; links on the way are followed, and
 * a last one where what is in the file changes. Owners, other names and attributes of a file stay.
 */
export const FileRepair = z.discriminatedUnion('do', [
  /** a symbolic link, in the place of what is there */
  z.object({ do: z.literal('link'), path: Path, target: z.string() }),
  z.object({ do: z.literal('remove'), path: Path }),
  z.object({ do: z.literal('mode'), path: Path, mode: z.number().int().min(0).max(0o7777) }),
  z.object({ do: z.literal('empty'), path: Path }),
  /** one more line, the first of the file */
  z.object({ do: z.literal('prepend'), path: Path, line: z.string() }),
  /** in lines that begin with `from` */
  z.object({ do: z.literal('replace'), path: Path, from: z.string().min(1), to: z.string() }),
]);
export type FileRepair = z.infer<typeof FileRepair>;
/** `label`: its value is for the user to say */
export const Repair = z.discriminatedUnion('do', [
  ...FileRepair.options,
  z.object({ do: z.literal('label'), name: z.string() }),
]);
export type Repair = z.infer<typeof Repair>;

/** What was done, in a sentence. */
export function repairText(repair: FileRepair): string {
  const { path } = repair;
  switch (repair.do) {
    case 'link':
      return `${path} is a link to ${repair.target} now.`;
    case 'remove':
      return `${path} was removed.`;
    case 'mode':
      return `${path} has the mode ${repair.mode.toString(8)} now.`;
    case 'empty':
      return `${path} is empty now.`;
    case 'prepend':
      return `${path} begins with '${repair.line}' now.`;
    case 'replace':
      return `In ${path} '${repair.from}' became '${repair.to}' at the beginning of a line.`;
  }
}
