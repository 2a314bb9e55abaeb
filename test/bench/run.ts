// Runs one bench and writes its rows:   run.ts NAME FILE [lab]      lab: in a network namespace with the lab's settings
import { writeFileSync } from 'node:fs';
import { limitSendBuffers } from '../../backend/lab/network.ts';
import type { BenchRow } from './row.ts';

const [name = '', file = '', where] = process.argv.slice(2);
if (where === 'lab') limitSendBuffers();
const { bench }: { bench: () => Promise<BenchRow[]> } = await import(`./${name}.ts`);
const rows = await bench();
writeFileSync(file, JSON.stringify(rows));
process.exit(0);
