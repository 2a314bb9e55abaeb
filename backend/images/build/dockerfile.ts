import { BootyardError } from '../../errors.ts';
import { type HereDocument, hereDocumentAfter, hereWords } from './here-document.ts';

/** One instruction of a Dockerfile (Dockerfile reference, "Format"); lines count from 1. */
export interface Instruction {
  line: number;
  endLine: number;
  /** in capitals */
  keyword: string;
  /** what follows it, continued lines joined, without here-documents */
  value: string;
  /** those that follow it, if any; they end at `endLine` */
  documents?: HereDocument[];
}
export interface Stage {
  from: Instruction;
  /** with the values of build arguments: an image, an earlier stage or `scratch` */
  image: string;
  name: string | undefined;
  instructions: Instruction[];
}
export interface Dockerfile {
  lines: string[];
  /** those before the first FROM */
  args: Instruction[];
  stages: [Stage, ...Stage[]];
}

const KEYWORDS = new Set(
  'ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER VOLUME WORKDIR'.split(
    ' ',
  ),
);
const FROM = /^((?:--\S+\s+)*)(\S+)(?:\s+AS\s+(\S+))?$/i;
const ON_NODE = /^--on-node(?:\s+|$)/;
const COPIED_FROM = /(?<=--(?:from|mount=\S*?from)=)[^\s,]+/g;

/** Reads a Dockerfile. Throws `build.dockerfile` with the line (`data.line`). */
export function parseDockerfile(text: string, buildArgs: Readonly<Record<string, string>> = {}): Dockerfile {
  const lines = linesOf(text);
  const args: Instruction[] = [];
  const stages: Stage[] = [];
  const values = new Map<string, string>();
  for (const instruction of instructionsOf(lines)) {
    const stage = stages.at(-1);
    if (instruction.keyword === 'FROM') stages.push(stageOf(instruction, values));
    else if (stage) stage.instructions.push(instruction);
    else if (instruction.keyword !== 'ARG')
      throw dockerfileError(instruction.line, `${instruction.keyword} stands before the first FROM`);
    else {
      args.push(instruction);
      const [, name = '', value] = /^(\w+)(?:=(.*))?$/.exec(instruction.value) ?? [];
      values.set(name, buildArgs[name] ?? substituted(unquoted(value ?? ''), values));
    }
  }
  const [first, ...others] = stages;
  if (!first) throw dockerfileError(1, 'there is no FROM in it');
  return { lines, args, stages: [first, ...others] };
}

/** All instructions of a text, which need not go together. Throws `build.dockerfile` for what is none. */
export function readInstructions(text: string): Instruction[] {
  return [...instructionsOf(linesOf(text))];
}

function linesOf(text: string): string[] {
  return text.replace(/^\uFEFF/, '').split(/\r?\n/);
}

function* instructionsOf(lines: readonly string[]): Generator<Instruction> {
  const escape = escapeOf(lines);
  let parts: string[] = [];
  let begin = 0;
  for (let at = 0; at < lines.length; at++) {
    const trimmed = lines[at]?.trim() ?? '';
    // Within an instruction, comments and empty lines are as if they were not there.
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    if (parts.length === 0) begin = at;
    const goesOn = trimmed.endsWith(escape);
    parts.push(goesOn ? trimmed.slice(0, -1) : trimmed);
    if (goesOn) continue;
    const read = withDocuments(instruction(begin + 1, parts, at + 1), lines);
    yield read;
    at = read.endLine - 1;
    parts = [];
  }
  if (parts.length > 0) yield instruction(begin + 1, parts, lines.length);
}

/** With the here-documents that its words announce. */
function withDocuments(read: Instruction, lines: readonly string[]): Instruction {
  const words = hereWords(read.keyword, read.value);
  if (words.length === 0) return read;
  let { endLine } = read;
  const documents = words.map((word) => {
    const document = hereDocumentAfter(lines, endLine, word);
    if (!document) throw dockerfileError(read.line, `the here-document ${word.text} has no end ${word.name}`);
    endLine += document.lines.length;
    return document;
  });
  return { ...read, endLine, documents };
}

/** The last line of an instruction itself. */
function headEnd({ endLine, documents = [] }: Instruction): number {
  return documents.reduce((line, document) => line - document.lines.length, endLine);
}

/** The directive `# escape=` is one of the first lines, before any other comment. */
function escapeOf(lines: readonly string[]): string {
  for (const line of lines) {
    const [, name = '', value] = /^#\s*(\w+)\s*=\s*(\S+)\s*$/.exec(line.trim()) ?? [];
    if (name === '') return '\\';
    if (name.toLowerCase() === 'escape') return value ?? '\\';
  }
  return '\\';
}

function instruction(line: number, parts: readonly string[], endLine: number): Instruction {
  const [, word = '', value = ''] = /^(\S+)\s*(.*)$/s.exec(parts.join('').trim()) ?? [];
  const keyword = word.toUpperCase();
  if (!KEYWORDS.has(keyword)) throw dockerfileError(line, `unknown instruction '${word}'`);
  return { line, endLine, keyword, value };
}

function stageOf(from: Instruction, values: ReadonlyMap<string, string>): Stage {
  const [, , image = '', name] = FROM.exec(from.value) ?? [];
  const named = substituted(image, values);
  if (named === '') throw dockerfileError(from.line, `FROM names no image ('${from.value}')`);
  return { from, image: named, name: name?.toLowerCase(), instructions: [] };
}

function unquoted(text: string): string {
  return text.replace(/^(["'])(.*)\1$/, '$2');
}

/** `$NAME`, `${NAME}`, `${NAME:-word}`, `${NAME:+word}` */
function substituted(text: string, values: ReadonlyMap<string, string>): string {
  const pattern = /\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})/g;
  return text.replace(
    pattern,
    (_, plain?: string, braced?: string, sign?: string, word: string = ''): string => {
      const value = values.get(plain ?? braced ?? '') ?? '';
      if (sign === '+') return value === '' ? '' : word;
      return value === '' && sign === '-' ? word : value;
    },
  );
}

/** Images that it starts from or copies from, without its own stages and `scratch`. */
export function imagesOf({ stages }: Dockerfile): string[] {
  const own = new Set(['scratch']);
  const images = new Set<string>();
  for (const [at, stage] of stages.entries()) {
    for (const image of [stage.image, ...stage.instructions.flatMap(copiedFrom)])
      if (!own.has(image.toLowerCase())) images.add(image);
    own.add(String(at));
    if (stage.name !== undefined) own.add(stage.name);
  }
  return [...images];
}

function copiedFrom({ keyword, value }: Instruction): string[] {
  return keyword === 'COPY' || keyword === 'RUN' ? (value.match(COPIED_FROM) ?? []) : [];
}

/**
 * The text with other names for images, each on the line where it was. Names of stages are the builder's: they win over
 * `references`.
 */
export function withImages(dockerfile: Dockerfile, references: ReadonlyMap<string, string>): string {
  const lines = [...dockerfile.lines];
  const external = new Set(imagesOf(dockerfile));
  const own = new Set<string>();
  for (const stage of dockerfile.stages) {
    const reference = own.has(stage.image.toLowerCase()) ? undefined : references.get(stage.image);
    if (reference !== undefined) putFrom(lines, stage.from, reference);
    for (const each of stage.instructions.filter((every) => copiedFrom(every).length > 0)) {
      for (let at = each.line - 1; at < headEnd(each); at++) {
        lines[at] = (lines[at] ?? '').replace(COPIED_FROM, (image) =>
          external.has(image) ? (references.get(image) ?? image) : image,
        );
      }
    }
    if (stage.name !== undefined) own.add(stage.name);
  }
  return lines.join('\n');
}

function putFrom(lines: string[], { line, endLine, value }: Instruction, reference: string): void {
  const [, flags = '', , name] = FROM.exec(value) ?? [];
  blank(lines, line, endLine);
  lines[line - 1] = `FROM ${flags}${reference}${name === undefined ? '' : ` AS ${name}`}`;
}

function blank(lines: string[], line: number, endLine: number): void {
  for (let at = line - 1; at < endLine; at++) lines[at] = '';
}

/** Where a build is cut: a step that runs on a node, and what is built before it. */
export interface NodeStep {
  line: number;
  command: string;
}

/** Steps `RUN --on-node CMD`, in their order. Throws when one stands in a stage that is not the last one. */
export function nodeSteps({ stages }: Dockerfile): NodeStep[] {
  const steps: NodeStep[] = [];
  for (const stage of stages) {
    for (const each of stage.instructions) {
      const { keyword, value, line } = each;
      if (keyword !== 'RUN' || !ON_NODE.test(value)) continue;
      if (stage !== stages.at(-1)) throw dockerfileError(line, 'RUN --on-node stands in the last stage only');
      const command = value.replace(ON_NODE, '').trim();
      if (command === '') throw dockerfileError(line, 'RUN --on-node names no command');
      steps.push({ line, command: withBodies(command, each) });
    }
  }
  return steps;
}

/** As BuildKit has it: a here-document alone is the script, others are the shell's own. */
function withBodies(command: string, { line, documents: [first, ...others] = [] }: Instruction): string {
  if (!first) return command;
  if (others.length > 0 || command !== first.word.text)
    return [command, ...[first, ...others].flatMap(({ lines }) => lines)].join('\n');
  if (first.content.startsWith('#!'))
    throw dockerfileError(line, 'RUN --on-node takes a script of the shell, and not one that begins with #!');
  return first.content.trimEnd();
}

/** Throws at the first here-document that a builder would get: Docker's does not know them, or takes them for nothing. */
export function refuseHereDocuments({ stages }: Dockerfile): void {
  for (const { keyword, value, documents, line } of stages.flatMap(({ instructions }) => instructions)) {
    if (!documents || (keyword === 'RUN' && ON_NODE.test(value))) continue;
    throw dockerfileError(
      line,
      `${documents[0]?.word.text ?? '<<'} begins a here-document, which the builder of Docker's API does not know: put it in a file and COPY that, or build with Podman 5`,
    );
  }
}

/**
 * The part of a Dockerfile between two steps on a node (or its begin, or its end), each line where it was. A part that
 * follows a step starts from what that step left, `base`.
 */
export function partOf(
  { lines, stages }: Dockerfile,
  { after, until, base }: { after?: NodeStep | undefined; until?: NodeStep | undefined; base?: string },
): string {
  const part = [...lines];
  const last = stages.at(-1) ?? stages[0];
  if (base !== undefined) putFrom(part, last.from, base);
  for (const { line, endLine, keyword } of last.instructions) {
    const isBefore = after !== undefined && line <= after.line && keyword !== 'ARG';
    if (isBefore || (until !== undefined && line >= until.line)) blank(part, line, endLine);
  }
  return part.join('\n');
}

/** The instruction that a builder works on, by what it says: `Step 3/4 : ` (Docker), `[1/2] STEP 3/4: ` (Podman). */
export function stepInstruction({ args, stages }: Dockerfile, said: string): Instruction | undefined {
  const docker = /^Step (\d+)\/\d+ : /.exec(said);
  if (docker) {
    const all = [...args, ...stages.flatMap((stage) => [stage.from, ...stage.instructions])];
    return all[Number(docker[1]) - 1];
  }
  const podman = /^(?:\[(\d+)\/\d+\] )?STEP (\d+)\/\d+: /.exec(said);
  const stage = podman ? stages[Number(podman[1] ?? 1) - 1] : undefined;
  return stage && [stage.from, ...stage.instructions][Number(podman?.[2]) - 1];
}

export function dockerfileError(line: number, what: string): BootyardError {
  return new BootyardError('build.dockerfile', `Line ${line} of the Dockerfile: ${what}.`, { line });
}
