import { describe, expect, it } from 'vitest';
import { nodeImageLines } from '../../../backend/api/dockerfile.ts';
import {
  imagesOf,
  nodeSteps,
  parseDockerfile,
  partOf,
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
