import * as z from 'zod';
import { messageOf } from '../../errors.ts';
import { STAGES } from '../../events/timeline.ts';
import { MODEL_NAMES, NodeSettings } from '../node.ts';

/** An object that names what it knows when it is given something else. */
function known<T extends z.ZodRawShape>(shape: T) {
  const names = Object.keys(shape).join(', ');
  return z.strictObject(shape, {
    error: ({ code }) => (code === 'unrecognized_keys' ? `There is ${names}.` : undefined),
  });
}
const seconds = (most: number) => z.number().positive().max(most);
const Pattern = z
  .string()
  .min(1)
  .max(1000)
  .superRefine((text, context) => {
    try {
      new RegExp(text, 'mu');
    } catch (error) {
      context.addIssue({ code: 'custom', message: `not a regular expression (${messageOf(error)})` });
    }
  });
const patterns = (what: string) => ({
  seen: Pattern.optional().describe(`a ${what} must match this regular expression`),
  never: Pattern.optional().describe(`no ${what} may match this regular expression`),
});
/** Text alone is a pattern that must come. */
const fromText = (value: unknown): unknown => (typeof value === 'string' ? { seen: value } : value);
const isOne = ({ seen, never }: { seen?: string | undefined; never?: string | undefined }): boolean =>
  (seen === undefined) !== (never === undefined);
const ONE = 'one of seen and never, or a pattern alone';
export const LinePattern = z.preprocess(fromText, known(patterns('line')).refine(isOne, ONE));
export type LinePattern = z.infer<typeof LinePattern>;
const stream = z.string().min(1).optional().describe('the log stream that the line is in; any when absent');
export const LogPattern = z.preprocess(fromText, known({ ...patterns('line'), stream }).refine(isOne, ONE));
export type LogPattern = z.infer<typeof LogPattern>;
export const PathPattern = z.preprocess(fromText, known(patterns('path')).refine(isOne, ONE));
/** Bytes; a text such as 40M means millions of them. */
const Size = z.union(
  [
    z.number().int().positive(),
    z
      .string()
      .regex(/^[1-9]\d*[kMG]$/, 'bytes, or a size such as 40M')
      .transform((text) => Number(text.slice(0, -1)) * 1000 ** (1 + 'kMG'.indexOf(text.slice(-1)))),
  ],
  { error: 'bytes, or a size such as 40M' },
);
export const NodeCommand = known({
  run: z.string().min(1).max(100_000).describe('a command for the shell of the node, as root over ssh'),
  exit: z.number().int().min(0).max(255).default(0).describe('its exit code'),
  output: Pattern.optional().describe('what it prints, on both outputs, must match this regular expression'),
  within: seconds(3600).default(60).describe('seconds that it may take'),
});
export type NodeCommand = z.infer<typeof NodeCommand>;

const StageName = z.enum(STAGES).exclude(['restore']);
export type StageName = z.infer<typeof StageName>;

const Expectations = known({
  stage: StageName.optional().describe('how far the boot must come; booted when absent'),
  console: z.array(LinePattern).max(200).default([]).describe('lines of the serial console'),
  logs: z.array(LogPattern).max(200).default([]).describe('lines that the node logs'),
  settle: seconds(3600)
    .default(10)
    .describe('seconds after the stage in which lines of the console and of logs may still come'),
  commands: z
    .array(NodeCommand)
    .max(200)
    .default([])
    .describe('run one after the other once the node is booted'),
  panic: z
    .boolean()
    .default(false)
    .describe('whether the kernel of the node must panic; otherwise it must not'),
  limits: known({
    seconds: seconds(86_400).optional().describe('from power-on to booted'),
    reference: known({
      image: z
        .string()
        .min(1)
        .describe('booted once without faults, with the same settings, to compare with'),
      ratio: z
        .number()
        .positive()
        .max(1000)
        .describe('the boot may take so many times as long as that of the reference'),
    }).optional(),
    bytes: Size.optional().describe('of all files that the boot fetches by TFTP and HTTP, such as 40M'),
  }).default({}),
  filesRead: z
    .array(PathPattern)
    .max(200)
    .default([])
    .describe('paths of the files of its image that the node has read when all else is done'),
});
const Faults = known({
  loss: z
    .string()
    .regex(/^\d+(\.\d+)?%$/, 'a share such as 2%')
    .optional(),
  latency: z
    .string()
    .regex(/^\d+(us|ms)$/, 'a time such as 40ms, by which round trips take longer')
    .optional(),
  bandwidth: z
    .string()
    .regex(/^\d+[kMG]bps$/, 'a rate such as 10Mbps')
    .optional(),
  serverDown: known({
    at: StageName.exclude(['booted']).default('firmware').describe('from the begin of this stage on'),
    seconds: seconds(3600),
  })
    .optional()
    .describe('all servers of the lab are silent to the node for so long'),
  fullDisk: z
    .string()
    .regex(/^\//, 'a folder of the node, such as /')
    .max(1000)
    .optional()
    .describe(
      'from the moment when the node is booted nothing more fits on the file system of this folder; / is where changes of the image go, in memory or on a disk',
    ),
});
const names = Object.keys(NodeSettings.shape) as (keyof NodeSettings)[];
/** As the command line takes it, where YAML may know a number or a truth in it. */
const Value = z.union([z.string(), z.number(), z.boolean()]).transform(String);
const values = z.array(Value).min(1).max(50).optional();
export const Settings = z.record(z.string(), Value);
export const Matrix = known({
  image: values,
  ...(Object.fromEntries(names.map((name) => [name, values])) as Record<keyof NodeSettings, typeof values>),
});

/** A file `*.boot.yaml`: one test, once for each combination of its matrix. */
export const BootTestFile = known({
  name: z.string().min(1).max(200).optional().describe('the name of the file when absent'),
  image: z.string().min(1).optional().describe('the image that is booted'),
  model: z.enum(MODEL_NAMES).optional().describe("of the node; the image's own when absent"),
  settings: Settings.default({}).describe('as of bootyard node config'),
  timeout: seconds(86_400).default(300).describe('seconds from power-on for the stage that is expected'),
  faults: Faults.default({}),
  expect: Expectations.prefault({}),
  matrix: Matrix.default({}).describe('values of image and settings that are tried in all combinations'),
});
export type BootTestFile = z.infer<typeof BootTestFile>;
