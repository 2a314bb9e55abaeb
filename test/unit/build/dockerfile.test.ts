import { describe, expect, it } from 'vitest';
import { nodeImageLines } from '../../../backend/api/dockerfile.ts';
import {
  imagesOf,
  nodeSteps,
  parseDockerfile,
  partOf,
  refuseHereDocuments,
  stepInstruction,
  withImages,
} from '../../../backend/images/build/dockerfile.ts';

const TWO_STAGES = `# syntax of ours
ARG BASE=pc-x86-64-tiny
ARG TAG=\${OTHER:-latest}
FROM \${BASE}:$TAG AS Tools
RUN make \\
  # a comment in between

  all
FROM debian
COPY --from=tools /a /a
COPY --from=other-image:1 --chown=1:1 /b /b
from tools
`;

describe('a Dockerfile', () => {
  it('is read with its lines, continued ones joined', () => {
    const { stages, args } = parseDockerfile(TWO_STAGES);
    expect(args.map(({ line, value }) => [line, value])).toEqual([
      [2, 'BASE=pc-x86-64-tiny'],
      [3, 'TAG=${OTHER:-latest}'],
    ]);
    expect(stages.map(({ image, name, from }) => [from.line, image, name])).toEqual([
      [4, 'pc-x86-64-tiny:latest', 'tools'],
      [9, 'debian', undefined],
      [12, 'tools', undefined],
    ]);
    expect(stages[0].instructions).toEqual([{ line: 5, endLine: 8, keyword: 'RUN', value: 'make all' }]);
  });

  it('takes build arguments over defaults', () => {
    expect(parseDockerfile(TWO_STAGES, { BASE: 'mine', TAG: 'v2' }).stages[0].image).toBe('mine:v2');
  });

  it('knows its images, which its own stages are not', () => {
    expect(imagesOf(parseDockerfile(TWO_STAGES))).toEqual([
      'pc-x86-64-tiny:latest',
      'debian',
      'other-image:1',
    ]);
    expect(
      imagesOf(parseDockerfile('FROM scratch\nCOPY --from=0 / /\nRUN --mount=type=bind,from=x,target=/x ls')),
    ).toEqual(['0', 'x']);
  });

  it('gets other names for images on the lines where they were', () => {
    const sent = withImages(
      parseDockerfile(TWO_STAGES),
      new Map([
        ['pc-x86-64-tiny:latest', 'local/tiny:1'],
        ['other-image:1', 'local/other:1'],
        ['tools', 'never'],
      ]),
    ).split('\n');
    expect(sent[3]).toBe('FROM local/tiny:1 AS Tools');
    expect(sent[8]).toBe('FROM debian');
    expect(sent[9]).toBe('COPY --from=tools /a /a');
    expect(sent[10]).toBe('COPY --from=local/other:1 --chown=1:1 /b /b');
    expect(sent[11]).toBe('from tools');
  });

  it.each([
    ['RUN ls\n', 1, 'RUN stands before the first FROM'],
    ['# nothing\n', 1, 'there is no FROM in it'],
    ['FROM a\n\nRUNN ls\n', 3, "unknown instruction 'RUNN'"],
    ['FROM $NONE\n', 1, "FROM names no image ('$NONE')"],
    ['FROM a\nRUN --on-node\n', 2, 'RUN --on-node names no command'],
    ['FROM a\nRUN --on-node ls\nFROM b\n', 2, 'RUN --on-node stands in the last stage only'],
  ])('%j is refused with its line', (text, line, what) => {
    expect(() => nodeSteps(parseDockerfile(text))).toThrow(
      expect.objectContaining({
        message: `Line ${line} of the Dockerfile: ${what}.`,
        data: { line },
      }),
    );
  });

  it('obeys the escape directive', () => {
    const { stages } = parseDockerfile('# escape=`\nFROM a\nRUN dir c:\\ `\n  d:\\\nRUN ls\n');
    expect(stages[0].instructions.map(({ value }) => value)).toEqual(['dir c:\\ d:\\', 'ls']);
  });

  it('is cut at steps on a node, each line where it was', () => {
    const text = 'FROM a\nARG X=1\nRUN one\nRUN --on-node two \\\n  $X\nRUN three';
    const dockerfile = parseDockerfile(text);
    const [step] = nodeSteps(dockerfile);
    expect(step).toEqual({ line: 4, command: 'two $X' });
    expect(partOf(dockerfile, { until: step })).toBe('FROM a\nARG X=1\nRUN one\n\n\n');
    expect(partOf(dockerfile, { after: step, base: 'left' })).toBe('FROM left\nARG X=1\n\n\n\nRUN three');
  });

  it.each([
    ['Step 1/7 : ARG BASE', 2],
    ['Step 3/7 : FROM x', 4],
    ['Step 4/7 : RUN make', 5],
    ['[1/3] STEP 2/2: RUN make', 5],
    ['[2/3] STEP 3/3: COPY --from', 11],
    ['STEP 1/2: FROM', 4],
    ['make: Step 1/7', undefined],
    ['Step 99/99 : RUN', undefined],
  ])('knows the line of the step that a builder says: %s', (said, line) => {
    expect(stepInstruction(parseDockerfile(TWO_STAGES), said)?.line).toBe(line);
  });
});

const DOCUMENTS = `FROM a
RUN <<EOF cat 3<<-'END' && \\
  echo "<<no" $((1<<3)) <<<word
FROM in-a-document
# kept \\
EOF
\tRUN too
\tEND
COPY --from=x <<"A B" /there
COPY --from=x
A B
ONBUILD ADD <<O /o
O
ENV X=<<EOF
RUN ["cat", "<<EOF"]
CMD ls
`;

describe('here-documents', () => {
  it('belong to the instruction before them, whatever is in them', () => {
    const { stages } = parseDockerfile(DOCUMENTS);
    expect(stages.length).toBe(1);
    expect(stages[0].instructions.map(({ line, endLine, keyword }) => [line, endLine, keyword])).toEqual([
      [2, 8, 'RUN'],
      [9, 11, 'COPY'],
      [12, 13, 'ONBUILD'],
      [14, 14, 'ENV'],
      [15, 15, 'RUN'],
      [16, 16, 'CMD'],
    ]);
    expect(stages[0].instructions[0]?.documents?.map(({ content }) => content)).toEqual([
      'FROM in-a-document\n# kept \\\n',
      'RUN too\n',
    ]);
  });

  it('keep what looks like the name of an image', () => {
    const sent = withImages(parseDockerfile(DOCUMENTS), new Map([['x', 'local/x:1']])).split('\n');
    expect(sent.slice(8, 10)).toEqual(['COPY --from=local/x:1 <<"A B" /there', 'COPY --from=x']);
    expect(sent.slice(0, 8)).toEqual(DOCUMENTS.split('\n').slice(0, 8));
  });

  it.each([
    ['RUN --on-node <<EOF\necho one\necho $TWO\nEOF', 'echo one\necho $TWO'],
    ['RUN --on-node <<-E\n\techo one\n\tE', 'echo one'],
    ['RUN --on-node cat <<E > /x\none\nE', 'cat <<E > /x\none\nE'],
  ])('of a step on a node are its script, or of its shell: %j', (text, command) => {
    const dockerfile = parseDockerfile(`FROM a\n${text}\nRUN two`);
    const [step] = nodeSteps(dockerfile);
    expect(step).toEqual({ line: 2, command });
    const lines = text.split('\n').length;
    expect(partOf(dockerfile, { after: step, base: 'b' })).toBe(`FROM b${'\n'.repeat(lines + 1)}RUN two`);
    expect(() => refuseHereDocuments(dockerfile)).not.toThrow();
  });

  it.each([
    ['RUN cat <<EOF\none', 'the here-document <<EOF has no end EOF.'],
    ['RUN --on-node <<E\n#!/usr/bin/perl\nE', 'takes a script of the shell'],
    ['COPY <<E /x\none\nE', '<<E begins a here-document, which the builder'],
  ])('%j is refused', (text, what) => {
    const read = (): void => {
      const dockerfile = parseDockerfile(`FROM a\n${text}`);
      nodeSteps(dockerfile);
      refuseHereDocuments(dockerfile);
    };
    expect(read).toThrow(what);
    expect(read).toThrow(expect.objectContaining({ data: { line: 2 } }));
  });
});

describe('lines at which a node image can be built', () => {
  it.each([
    ['FROM tiny', [1]],
    ['FROM tiny:latest AS a\nFROM debian\nCOPY --from=a / /', [1]],
    ['FROM debian\n\nFROM other\nLABEL x=y walt.node.models=pc-x86-64', [3]],
    ['FROM debian AS tiny\nFROM tiny', []],
    ['FROM debian', []],
    ['FRO', []],
  ])('%j: %j', (text, lines) => {
    expect(nodeImageLines(text, new Set(['tiny']))).toEqual(lines);
  });
});
