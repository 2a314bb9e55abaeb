// Does one operation on a store and dies, as by a power button for processes, before the nth step that changes the disk.
//   crash-child.ts FOLDER OPERATION N
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { parseArgs } from 'node:util';

const [folder = '', operation = '', count = ''] = parseArgs({ allowPositionals: true }).positionals;
let steps = Number(count);
const dieAt = (): void => {
  if (--steps === 0) process.kill(process.pid, 'SIGKILL');
};
const SYNC = ['renameSync', 'rmSync', 'writeFileSync', 'mkdirSync', 'openSync', 'writeSync'] as const;
const LATER = ['rm', 'open', 'rename'] as const;

function deadly(object: object, name: string): void {
  const real: unknown = Reflect.get(object, name);
  if (typeof real !== 'function') throw new Error(`there is no ${name}`);
  Reflect.set(object, name, (...args: unknown[]): unknown => {
    dieAt();
    return Reflect.apply(real, object, args);
  });
}
for (const name of SYNC) deadly(fs, name);
for (const name of LATER) deadly(fs.promises, name);
syncBuiltinESMExports();

const { ImageStore } = await import('../../../backend/images/store.ts');
const { ImageOperations } = await import('../../../backend/nodes/image-operations.ts');
// What the start of a daemon does is done again by the next one.
const wanted = steps;
steps = Infinity;
const store = new ImageStore(`${folder}/store`);
steps = wanted;
const parts = { images: store, nodes: () => [], reboot: () => Promise.resolve() };
const operations = new ImageOperations(parts);
const control = { signal: new AbortController().signal, progress: (): void => {} };
const work: Record<string, () => unknown> = {
  squash: () => operations.squash('one', undefined, false, control),
  label: () => operations.label('one', { a: 'b' }, [], false, control),
  duplicate: () => operations.duplicate('one', 'three'),
  rename: () => operations.rename('one', 'three'),
  remove: () => store.remove('one'),
  import: () => store.import({ path: `${folder}/other.tar`, name: 'one', force: true }),
  gc: () => store.collect(),
};
await work[operation]?.();
process.stdout.write('done');
