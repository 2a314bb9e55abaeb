import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { BootyardError, messageOf, systemCode } from '../../errors.ts';
import { type Path, type Place, placed, type Problem, YamlText } from '../yaml-file.ts';
import { compileLab } from './compile.ts';
import { problemsOf } from './problems.ts';
import { type Lab, LAB_FILE, LabFile } from './schema.ts';

export interface ReadLab {
  /** absent when there are problems */
  lab?: Lab;
  /** in the order of the text */
  problems: Problem[];
  /** of the nodes, also of a file with problems */
  nodeNames: string[];
  /** where a part of the file stands; `key`: its name */
  at: (path: Path, key?: boolean) => Place;
}

/** Reads a lab file; `folder`: what paths in it are relative to. */
export function readLab(text: string, folder: string): ReadLab {
  const yaml = new YamlText(text, 'text');
  const at = yaml.at.bind(yaml);
  const nodeNames = yaml.names(['nodes']);
  const problems = [...yaml.problems];
  if (problems.length > 0) return { problems, nodeNames, at };
  // A text of comments alone is a lab without anything.
  const checked = LabFile.safeParse(yaml.value ?? {});
  if (!checked.success) return { problems: sorted(problemsOf(checked.error.issues, yaml)), nodeNames, at };
  const lab = compileLab(checked.data, folder, (path, message, key) =>
    problems.push({ message, ...at(path, key) }),
  );
  return { ...(problems.length > 0 ? {} : { lab }), problems: sorted(problems), nodeNames, at };
}

function sorted(problems: Problem[]): Problem[] {
  return problems.toSorted((a, b) => a.from.line - b.from.line || a.from.column - b.from.column);
}

/** A lab file that has no problem, and its path as it is shown to users. */
export interface LoadedLab {
  lab: Lab;
  path: string;
  folder: string;
  at: ReadLab['at'];
}

/** Throws `lab.noFile`, and `lab.file` with a line `file:line:column: sentence` for each problem. */
export async function loadLab(path: string = LAB_FILE): Promise<LoadedLab> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    const why = systemCode(error) === 'ENOENT' ? 'There is no file' : 'Cannot read the file';
    const hint =
      systemCode(error) === 'ENOENT'
        ? 'write one, or let `bootyard lab export` write the lab as it is'
        : messageOf(error);
    throw new BootyardError('lab.noFile', `${why} ${path}: ${hint}.`, { path });
  });
  const folder = dirname(resolve(path));
  const { lab, problems, at } = readLab(text, folder);
  if (lab) return { lab, path, folder, at };
  const lines = problems.map(({ message, from }) => `${placed(path, from)}: ${message}`);
  throw new BootyardError('lab.file', lines.join('\n'), { path });
}
