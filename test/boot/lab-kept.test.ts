import { describe, expect, test } from 'vitest';
import { labForTests, labOwners } from './lab-fixture.ts';

/** In scope of every program inside the lab. */
const PRELUDE = `
  import { spawnKept, watchKept, findKept, isAlive } from '\${lab}/kept-process.ts';
  import fs from 'node:fs';
  import { execFileSync } from 'node:child_process';
  const file = (name) => process.cwd() + '/' + name;
  const files = (name) => ({ pidFile: file(name + '.pid'), exitFile: file(name + '.exit'), logFile: file(name + '.log') });
  const ps = (pid, what) => execFileSync('ps', ['-o', what + '=', '-p', String(pid)], { encoding: 'utf8' }).trim();
  const print = (value) => console.log(JSON.stringify(value));
`;

describe.each(labOwners)('kept processes in the lab of %s', (_name, make) => {
  const inLab = labForTests(make, PRELUDE);

  test('belong to PID 1 and to a session of their own, and write into their log', async () => {
    const seen = await inLab(`
      const { pid } = await spawnKept(['sh', '-c', 'echo out; echo err >&2; pwd; cat; exec sleep 1000'], { ...files('a'), cwd: '/proc' });
      while (!fs.readFileSync(file('a.log'), 'utf8').includes('/proc') || ps(pid, 'comm') !== 'sleep') await new Promise((r) => setTimeout(r, 10));
      const parent = ps(pid, 'ppid');
      print({ log: fs.readFileSync(file('a.log'), 'utf8'), alive: isAlive(pid), found: findKept(files('a')).pid === pid,
        grandparent: ps(parent, 'ppid'), otherSession: ps(pid, 'sid') !== ps(process.pid, 'sid'), noTerminal: ps(pid, 'tty') });
      process.kill(pid);
    `);
    expect(seen).toEqual({
      log: 'out\nerr\n/proc\n',
      alive: true,
      found: true,
      grandparent: '1',
      otherSession: true,
      noTerminal: '?',
    });
  });

  test('leave their exit code or signal', async () => {
    const exits = await inLab(`
      await spawnKept(['sh', '-c', 'exit 7'], files('code'));
      await spawnKept(['true'], files('zero'));
      const killed = await spawnKept(['sleep', '1000'], files('killed'));
      const termed = await spawnKept(['sleep', '1000'], files('termed'));
      const watched = watchKept(files('killed'));
      process.kill(killed.pid, 'SIGKILL');
      process.kill(termed.pid, 'SIGTERM');
      print([await watchKept(files('code')), await watchKept(files('zero')), await watched, await watchKept(files('termed')), isAlive(killed.pid), findKept(files('killed')) ?? null]);
    `);
    const nothing = { code: null, signal: null };
    expect(exits).toEqual([
      { ...nothing, code: 7 },
      { ...nothing, code: 0 },
      { ...nothing, signal: 'SIGKILL' },
      { ...nothing, signal: 'SIGTERM' },
      false,
      null,
    ]);
  });

  test('leave it also when nobody was there', async () => {
    const pid = await inLab(`
      print((await spawnKept(['sh', '-c', 'while [ ! -e go ]; do sleep 0.05; done; exit 9'], { ...files('alone'), cwd: process.cwd() })).pid);
    `);
    // the process that started it has ended; another one meets it, and its end
    expect(await inLab(`print(findKept(files('alone'))?.pid)`)).toBe(pid);
    const exit = await inLab(`fs.writeFileSync(file('go'), ''); print(await watchKept(files('alone')));`);
    expect(exit).toEqual({ code: 9, signal: null });
    expect(await inLab(`print(await watchKept(files('alone')))`)).toEqual(exit);
  });

  test('are not mistaken for a stranger with their number', async () => {
    const seen = await inLab(`
      // files of an earlier lab: the number is in use again, by PID 1 and by this very process
      fs.writeFileSync(file('old.pid'), process.pid + ' 1');
      fs.writeFileSync(file('older.pid'), '1');
      fs.writeFileSync(file('odd.pid'), 'nonsense');
      print([findKept(files('old')) ?? null, findKept(files('older')) ?? null, findKept(files('odd')) ?? null, findKept(files('none')) ?? null, await watchKept(files('old'))]);
    `);
    expect(seen).toEqual([null, null, null, null, { code: null, signal: null }]);
  });

  test('replace the files of their predecessors', async () => {
    const exits = await inLab(`
      await spawnKept(['sh', '-c', 'exit 1'], files('again'));
      const first = await watchKept(files('again'));
      const { pid } = await spawnKept(['sleep', '1000'], files('again'));
      const exists = fs.existsSync(file('again.exit'));
      process.kill(pid, 'SIGINT');
      print([first.code, exists, (await watchKept(files('again'))).signal]);
    `);
    expect(exits).toEqual([1, false, 'SIGINT']);
  });

  test('watching can be given up', async () => {
    const reason = await inLab(`
      const { pid } = await spawnKept(['sleep', '1000'], files('long'));
      const abort = new AbortController();
      const watched = watchKept(files('long'), abort.signal).then(() => 'ended', (error) => error.message);
      abort.abort(new Error('enough'));
      print([await watched, isAlive(pid)]);
      process.kill(pid);
    `);
    expect(reason).toEqual(['enough', true]);
  });

  test('say what cannot be started', async () => {
    const errors = await inLab(`
      const tried = (argv, options) => spawnKept(argv, options).then(() => 'started', (error) => error.code + ': ' + error.message);
      print([await tried(['no-such-program'], files('x')), await tried(['sleep', '1'], { ...files('y'), logFile: '/proc/no/log' })]);
    `);
    expect(errors).toEqual([
      'lab.command: The program "no-such-program" is not to be found: "bootyard doctor" says which package has it.',
      expect.stringMatching(/^lab\.kept: .*\/proc\/no cannot be written/),
    ]);
  });
});
