// `npm run bench`: every figure next to its peer, measured in one run on this machine.
//   npm run bench -- [--json FILE] [--markdown FILE] [name …]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as z from 'zod';

const root = join(import.meta.dirname, '..');
const Row = z.object({
  name: z.string(),
  unit: z.string(),
  ours: z.number(),
  peer: z.number(),
  peerName: z.string(),
  ratio: z.number(),
  target: z.number().nullable(),
  met: z.boolean().nullable(),
});
type Row = z.infer<typeof Row>;

/** Benches of one protocol run in a namespace of their own; those of whole boots make labs, which bring theirs. */
const benches = [
  { name: 'dhcp', inNamespace: true },
  { name: 'tftp', inNamespace: true },
  { name: 'http', inNamespace: true },
  { name: 'nfs', inNamespace: true },
  { name: 'persist', inNamespace: true },
  { name: 'nbd', inNamespace: true },
  { name: 'import', inNamespace: false },
  { name: 'imagefs', inNamespace: false },
  { name: 'registry', inNamespace: true },
  { name: 'engine', inNamespace: true },
  { name: 'build', inNamespace: false },
  { name: 'boot', inNamespace: false },
  { name: 'memory', inNamespace: false },
  { name: 'many', inNamespace: false },
  { name: 'hybrid', inNamespace: false },
  { name: 'snapshot', inNamespace: false },
  { name: 'events', inNamespace: false },
  { name: 'timeline', inNamespace: false },
  { name: 'readahead', inNamespace: false },
  { name: 'logs', inNamespace: false },
];

function run(bench: (typeof benches)[number], output: string): Row[] {
  const wrapper = bench.inNamespace ? [join(root, 'scripts/in-namespace')] : [];
  const script = join(root, 'test/bench/run.ts');
  const [program, ...args] = [...wrapper, process.execPath, script, bench.name, output];
  if (bench.inNamespace) args.push('lab');
  rmSync(output, { force: true });
  const { status } = spawnSync(program ?? '', args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0 || !existsSync(output)) {
    console.error(`bench ${bench.name} failed`);
    process.exitCode = 1;
    return [];
  }
  return z.array(Row).parse(JSON.parse(readFileSync(output, 'utf8')));
}

const number = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);

function table(rows: Row[]): string {
  const lines = rows.map((row) => {
    const target = row.target === null ? '' : `${row.target} ×`;
    const met = row.met === null ? '' : row.met ? 'yes' : 'no';
    return `| ${row.name} | ${number(row.ours)} ${row.unit} | ${row.peerName} ${number(row.peer)} | ${row.ratio.toFixed(2)} × | ${target} | ${met} |`;
  });
  return [
    '| measured | Bootyard | peer | ratio | target | met |',
    '|---|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}

const { values, positionals } = parseArgs({
  options: { json: { type: 'string' }, markdown: { type: 'string' } },
  allowPositionals: true,
});
const unknown = positionals.filter((name) => !benches.some((bench) => bench.name === name));
if (unknown.length > 0) {
  console.error(
    `No bench is named ${unknown.join(', ')}; there are ${benches.map((b) => b.name).join(', ')}.`,
  );
  process.exit(2);
}
const folder = join(root, '.cache/bench');
mkdirSync(folder, { recursive: true });
const rows = benches
  .filter((bench) => positionals.length === 0 || positionals.includes(bench.name))
  .flatMap((bench) => run(bench, join(folder, `${bench.name}.json`)));
console.log(`\n${table(rows)}`);
if (values.json) writeFileSync(values.json, `${JSON.stringify(rows, null, 1)}\n`);
if (values.markdown) writeFileSync(values.markdown, `${table(rows)}\n`);
