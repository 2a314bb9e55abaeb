// Runs one bench and writes its rows:   run.ts NAME FILE
import { writeFileSync } from 'node:fs';
import type { BenchRow } from './row.ts';

const [name = '', file = ''] = process.argv.slice(2);
const { bench }: { bench: () => Promise<BenchRow[]> } = await import(`./${name}.ts`);
const rows = await bench();
writeFileSync(file, JSON.stringify(rows));
process.exit(0);
