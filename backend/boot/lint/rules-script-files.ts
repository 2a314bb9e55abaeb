import { shown } from '../../images/tar/tar-path.ts';
import type { NodeModel } from '../models.ts';
import type { Rule } from './finding.ts';
import type { LintImage } from './image.ts';
import { bootScripts } from './rules-ipxe.ts';

/** A file that a boot script asks the lab for. */
export interface ScriptFile {
  line: number;
  /** below /boot/<model> */
  path: string;
}

/** iPXE's commands that take a URI; options of theirs that take a value (src/hci/commands/image_cmd.c). */
const FETCHERS = new Set([
  'chain',
  'kernel',
  'initrd',
  'module',
  'imgfetch',
  'imgload',
  'imgselect',
  'imgexec',
]);
const WITH_VALUE = new Set(['-n', '--name', '-t', '--timeout']);
/** What follows `||` when there is no other way. */
const GIVES_UP = new Set(['goto', 'reboot', 'exit', 'shell', 'poweroff']);
/** The ways in which scripts name files of their own boot folder. */
const OWN_FILE =
  /^(?:(?:https?:\/\/\$\{next-server\}\/boot|tftp:\/\/\$\{next-server\}|\$\{urlprefix\})\/)?\/?([^$:]+)$/;

/** The files without which an iPXE script ends: not those after a condition, nor those for which it has another way. */
export function filesOfIpxe(text: string): ScriptFile[] {
  return text.split('\n').flatMap((line, at) => {
    const [command = '', ...words] = line.split(/\s+/).filter((word) => word !== '');
    if (!FETCHERS.has(command)) return [];
    const end = words.findIndex((word) => word === '||' || word === '&&' || word === ';');
    const other = words[end + 1];
    if (words[end] === '||' && !(other !== undefined && GIVES_UP.has(other))) return [];
    const given = end < 0 ? words : words.slice(0, end);
    const uri = given.find((word, place) => !word.startsWith('-') && !WITH_VALUE.has(given[place - 1] ?? ''));
    const path = OWN_FILE.exec(uri ?? '')?.[1];
    return path === undefined ? [] : [{ line: at + 1, path }];
  });
}

/** The same of a U-Boot script's text: what is fetched in the condition of an `if` may be missing. */
export function filesOfUboot(text: string): ScriptFile[] {
  return text.split('\n').flatMap((line, at) => {
    const path = /^\s*tftp(?:boot)?\s+\S+\s+"?(?:\$\{serverip\}:)?\/?([^$:\s"]+)"?(?:\s|;|$)/.exec(line)?.[1];
    return path === undefined ? [] : [{ line: at + 1, path }];
  });
}

/** The scripts of a model with the files that they need. */
async function* needs(
  image: LintImage,
  model: NodeModel,
): AsyncGenerator<{ script: string; files: ScriptFile[] }> {
  if (model.bootScript.endsWith('.ipxe')) {
    for await (const { path, text } of bootScripts(image, model)) {
      yield { script: path, files: filesOfIpxe(text) };
    }
    return;
  }
  const script = `/boot/${model.name}/${model.bootScript}`;
  // The text of a legacy image stands after its header and two lengths (include/image.h of U-Boot).
  yield { script, files: filesOfUboot(image.text(script).slice(72)) };
}

/** Those that Bootyard adds when an image lacks them, and the kernel, which has a rule of its own. */
const NOT_MISSED = new Set(['kernel', 'initrd', 'dtb', 'server-params.ipxe']);

const missingFile: Rule = {
  id: 'boot.missing-file',
  severity: 'warning',
  async *check(image) {
    for (const model of image.models) {
      for await (const { script, files } of needs(image, model)) {
        for (const { line, path } of files) {
          const wanted = `/boot/${model.name}/${path}`;
          if (NOT_MISSED.has(path) || image.tree.lookupPath(Buffer.from(wanted, 'latin1')) !== 0) continue;
          yield {
            path: wanted,
            message: `Line ${line} of ${shown(script)} loads ${shown(path)}, and the image has no ${shown(wanted)}: a boot that comes there fails.`,
            fix: `Put the file into /boot/${model.name}, or let the script go on without it (|| and what to do then).`,
          };
        }
      }
    }
  },
};

export const scriptFileRules: readonly Rule[] = [missingFile];
