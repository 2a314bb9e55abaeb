import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { QmpClient } from '../../backend/nodes/qmp.ts';
import { saveState } from '../../backend/nodes/snapshots/machine-state.ts';

let folder: string;
let qemu: ChildProcess;
let client: QmpClient;
/** A machine without memory: what QEMU saves of it fits into the pipe to the child that writes it. */
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'by-state-'));
  const socket = join(folder, 'qmp');
  const qmp = ['-qmp', `unix:${socket},server=on,wait=off`];
  qemu = spawn('qemu-system-x86_64', ['-machine', 'none', '-nodefaults', '-display', 'none', '-S', ...qmp]);
  client = await QmpClient.connect(socket);
});
afterEach(() => {
  client.close();
  qemu.kill();
  rmSync(folder, { recursive: true });
});

const control = { signal: new AbortController().signal, progress: () => undefined };
const save = (file: string) =>
  saveState({ query: (command, args) => client.execute(command, args) }, join(folder, file), control);

test('a state is there when all of it is written', async () => {
  await save("a 'state'");
  expect(readdirSync(folder).toSorted()).toEqual(["a 'state'", 'qmp']);
});

test('a file that takes none of what QEMU wrote is no saved state', async () => {
  symlinkSync('/dev/full', join(folder, 'state.part'));
  await expect(save('state')).rejects.toThrow('The memory could not be saved: its file was not written.');
  expect(readdirSync(folder)).not.toContain('state');
});
