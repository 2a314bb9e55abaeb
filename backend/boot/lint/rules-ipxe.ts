import { shown } from '../../images/tar/tar-path.ts';
import type { NodeModel } from '../models.ts';
import type { Hit, Rule } from './finding.ts';
import type { LintImage } from './image.ts';

/** One command of a script. */
export interface ScriptCommand {
  line: number;
  name: string;
  /** something follows that is done when it fails (`|| …`, `; …`); otherwise the script ends there */
  guarded: boolean;
}

const MAX_SCRIPT = 256 << 10;
const MAX_SCRIPTS = 200;

/**
 * The commands of an iPXE script, as iPXE takes a line apart (src/core/exec.c): words at spaces, commands between `||`, `&&`
 * and `;`, comments from a word that begins with #; labels begin with a colon.
 */
export function scriptCommands(text: string): ScriptCommand[] {
  const found: ScriptCommand[] = [];
  text.split('\n').forEach((line, index) => {
    if (line.startsWith(':')) return;
    const words = line.split(/\s+/).filter((word) => word !== '');
    const comment = words.findIndex((word) => word.startsWith('#'));
    const kept = comment < 0 ? words : words.slice(0, comment);
    const lastWayOut = Math.max(kept.lastIndexOf('||'), kept.lastIndexOf(';'));
    let isFirst = true;
    for (const [at, word] of kept.entries()) {
      const separates = word === '||' || word === '&&' || word === ';';
      if (isFirst && !separates && !word.includes('${')) {
        found.push({ line: index + 1, name: word, guarded: lastWayOut > at });
      }
      isFirst = separates;
    }
  });
  return found;
}

/** The scripts in the boot folder of a model that starts with iPXE. */
export async function* bootScripts(
  image: LintImage,
  { name }: NodeModel,
): AsyncGenerator<{ path: string; text: string }> {
  let count = 0;
  for await (const { path } of image.below(`/boot/${name}`)) {
    if (!path.endsWith('.ipxe') || ++count > MAX_SCRIPTS) continue;
    const text = image.head(Buffer.from(path, 'latin1'), MAX_SCRIPT).toString('latin1');
    if (/^#!ipxe\s/.test(text)) yield { path, text };
  }
}

/** Those of all models that start with iPXE. */
async function* scripts(image: LintImage): AsyncGenerator<{ path: string; text: string }> {
  for (const model of image.models) {
    if (model.bootScript.endsWith('.ipxe')) yield* bootScripts(image, model);
  }
}

async function* lacking(image: LintImage, guarded: boolean): AsyncGenerator<Hit> {
  const known = image.settings.ipxeCommands;
  if (!known) return;
  for await (const { path, text } of scripts(image)) {
    for (const command of scriptCommands(text)) {
      if (known.has(command.name) || command.guarded !== guarded) continue;
      yield {
        path,
        message: `Line ${command.line} of ${shown(path)} has ${shown(command.name)}, which is no command of the iPXE that nodes are served: ${guarded ? 'it fails, and the script goes on' : 'the script ends there with an error'}.`,
        fix: guarded
          ? 'Leave it out if the script does without.'
          : `Write it without ${shown(command.name)}, or let something follow for the case that it fails (|| …).`,
      };
    }
  }
}

const unknownCommand: Rule = {
  id: 'ipxe.unknown-command',
  severity: 'error',
  check: (image) => lacking(image, false),
};

const unknownTried: Rule = {
  id: 'ipxe.unknown-tried',
  severity: 'info',
  check: (image) => lacking(image, true),
};

const unchecked: Rule = {
  id: 'ipxe.unchecked',
  severity: 'info',
  *check({ models, settings }) {
    const model = models.find(({ bootScript }) => bootScript.endsWith('.ipxe'));
    if (!model || settings.ipxeCommands) return;
    yield {
      path: `/boot/${model.name}`,
      message:
        'Whether iPXE knows the commands of the boot scripts was not checked: its snponly.efi is not installed.',
      fix: 'Install the package ipxe on this host.',
    };
  },
};

export const ipxeRules: readonly Rule[] = [unknownCommand, unknownTried, unchecked];
