import { posix } from 'node:path';
import * as z from 'zod';
import type { ImageTree } from '../images/tree/tree.ts';

const FILE = '/etc/walt/image.spec';
const ImageSpec = z.object({ templates: z.array(z.string()).default([]) });

export interface Templates {
  /** absolute clean paths of files of the image in which `%(name)s` is to be replaced */
  paths: string[];
  /** one sentence that says what is wrong with the list, if something is */
  warning?: string;
}

/** The templates that `/etc/walt/image.spec` (JSON) lists. What is wrong with it costs templates, never the boot. */
export function imageTemplates(tree: ImageTree): Templates {
  const inode = tree.lookupPath(FILE);
  if (inode === 0) return { paths: [] };
  const parsed = parse(tree, inode);
  if (typeof parsed === 'string') return { paths: [], warning: `${FILE} is ignored: ${parsed}.` };
  const paths: string[] = [];
  const troubles: string[] = [];
  for (const given of parsed.templates) {
    const path = posix.normalize(given.replace(/^\/+/, ''));
    const trouble = troubleWith(tree, path);
    if (trouble === undefined) paths.push(`/${path}`);
    else troubles.push(`${JSON.stringify(given.slice(0, 80))}, which ${trouble}`);
  }
  if (troubles.length === 0) return { paths };
  const more = troubles.length === 1 ? '' : ` (and ${troubles.length - 1} more that cannot be used)`;
  return { paths, warning: `${FILE} lists the template ${troubles[0]}${more}.` };
}

/** The content, or why it is not to be used. */
function parse(tree: ImageTree, inode: number): z.infer<typeof ImageSpec> | string {
  if (tree.stat(inode).type !== 'file') return 'it is not a file';
  let content: unknown;
  try {
    content = JSON.parse(tree.readFile(inode).toString('utf8'));
  } catch {
    return 'it is not JSON';
  }
  const spec = ImageSpec.safeParse(content);
  if (spec.success) return spec.data;
  const at = spec.error.issues[0]?.path.join('.');
  return at ? `its '${at}' is not as expected (templates: a list of paths)` : 'it is not a JSON object';
}

function troubleWith(tree: ImageTree, path: string): string | undefined {
  if (path === '..' || path.startsWith('../')) return 'leads out of the image';
  const inode = tree.lookupPath(`/${path}`);
  if (inode === 0) return 'does not exist';
  return tree.stat(inode).type === 'file' ? undefined : 'is not a file';
}
