import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { eventually, labOwners, type LabUser } from './lab-fixture.ts';

const Running = z.object({
  state: z.literal('running').optional(),
  unshare: z.number(),
  keeper: z.number(),
  daemon: z.number().optional(),
  started: z.boolean().optional(),
});

describe.each(labOwners)('lab of %s', (name, make) => {
  let user: LabUser;
  beforeAll(() => {
    user = make();
  });
  afterEach(async () => {
    await user.run('await stopLab(paths); answer(true);');
  });
  afterAll(async () => {
    await user.dispose();
  });

  const start = async () => Running.parse(await user.run('answer(await startLab(paths, options));'));
  const state = async () => await user.run('answer(labState(paths));');

  test('starts, says so, and is entered as its root', async () => {
    const lab = await start();
    expect(lab.started).toBe(true);
    expect(await state()).toMatchObject({ state: 'running', keeper: lab.keeper, unshare: lab.unshare });
    expect(lab.daemon).toBeDefined();
    expect(readFileSync(`/proc/${lab.daemon}/cmdline`, 'latin1')).toContain('daemon.mjs');
    const inside = await user.run(`answer(inLab(\`
      import { readFileSync } from 'node:fs';
      import { labPaths } from '\${lab}/../state/paths.ts';
      import { labState } from '\${lab}/launch.ts';
      import { ownHostPid } from '\${lab}/host-process.ts';
      const daemonEnv = Object.fromEntries(readFileSync('/proc/' + process.argv[1] + '/environ', 'latin1').split('\\\\0').map((line) => line.split('=')));
      const init = readFileSync('/proc/1/cmdline', 'latin1');
      Object.assign(process.env, daemonEnv);
      console.log(JSON.stringify({ uid: process.getuid(), cwd: process.cwd(), home: process.env.HOME, init,
        run: labPaths().run, state: labState(labPaths()), sameNumber: ownHostPid() === process.pid }));
    \`, shellInLab("pgrep -f 'daemon.mj[s]'")));`);
    const { env } = user;
    const paths: unknown = await user.run('answer(paths);');
    expect(inside).toMatchObject({ uid: 0, home: env.HOME, sameNumber: false });
    expect(inside).toMatchObject({ cwd: z.object({ run: z.string() }).parse(paths).run });
    expect(inside).toMatchObject({ run: z.object({ run: z.string() }).parse(paths).run });
    // the daemon sees the same lab in the same host numbers
    expect(inside).toMatchObject({ state: { keeper: lab.keeper, daemon: lab.daemon } });
    expect(z.object({ init: z.string() }).parse(inside).init).toContain('keeper.sh');
  });

  test('is one, however many start it', async () => {
    const starts = await Promise.all([start(), start(), start(), start()]);
    expect(starts.filter((lab) => lab.started)).toHaveLength(1);
    expect(new Set(starts.map((lab) => lab.keeper)).size).toBe(1);
    expect((await start()).started).toBe(false);
  });

  test('starts again while it stops', async () => {
    const first = await start();
    const [, second] = await Promise.all([
      user.run('await stopLab(paths); answer(true);'),
      user.run(
        `while (labState(paths).state === 'running') await delay(1); answer(await startLab(paths, options));`,
      ),
    ]);
    expect(Running.parse(second).keeper).not.toBe(first.keeper);
    expect(await state()).toMatchObject({ state: 'running', keeper: Running.parse(second).keeper });
  });

  test('leaves nothing when it is stopped', async () => {
    const lab = await start();
    const namespaces = ['pid', 'net', 'mnt'].map((kind) => readlinkSync(`/proc/${lab.keeper}/ns/${kind}`));
    for (const own of namespaces) expect(ownNamespaces()).not.toContain(own);
    await user.run(`
      inLab(\`
        import { LabNetwork } from '\${lab}/network.ts';
        import { spawnKept } from '\${lab}/kept-process.ts';
        const network = new LabNetwork();
        await network.setup();
        await network.addTap('by-stop-0');
        const file = (name) => process.cwd() + '/' + name;
        await spawnKept(['sh', '-c', "trap '' TERM HUP INT; sleep 1000 & sleep 1000"],
          { pidFile: file('k.pid'), exitFile: file('k.exit'), logFile: file('k.log') });
        console.log(1);
      \`);
      answer(true);
    `);
    expect(await user.run(`answer(shellInLab('ip -br link show by-stop-0'));`)).toContain('by-stop-0');
    await user.run('await stopLab(paths); answer(true);');

    expect(processesIn(namespaces)).toEqual([]);
    expect(await state()).toEqual({ state: 'stopped' });
    expect(readFileSync('/proc/self/mountinfo', 'latin1')).not.toContain(user.folder);
    expect(readFileSync('/proc/net/dev', 'latin1')).not.toContain('by-stop-0');
    const left: unknown = await user.run('answer(fs.readdirSync(paths.run));');
    expect(left).toEqual(expect.not.arrayContaining(['daemon.sock', 'lab.json', 'daemon.json', 'hostproc']));
  });

  test('ends as a whole when the launcher process is killed', async () => {
    const lab = await start();
    const namespaces = ['pid', 'net'].map((kind) => readlinkSync(`/proc/${lab.keeper}/ns/${kind}`));
    process.kill(lab.unshare, 'SIGKILL');
    await eventually('the lab is gone', () => processesIn(namespaces).length === 0);
    expect(await state()).toEqual({ state: 'stopped' });
    expect((await start()).started).toBe(true);
  });

  test('brings a killed daemon back, and kept processes live on', async () => {
    const lab = await start();
    const kept = z.object({ pid: z.number() }).parse(
      await user.run(`answer(inLab(\`
      import { spawnKept } from '\${lab}/kept-process.ts';
      const file = (name) => process.cwd() + '/' + name;
      const files = { pidFile: file('k.pid'), exitFile: file('k.exit'), logFile: file('k.log') };
      console.log(JSON.stringify(await spawnKept(['sleep', '1000'], files)));
    \`));`),
    );
    for (let round = 0; round < 3; round++) {
      const before = Running.parse(await state()).daemon;
      if (before === undefined) throw new Error('no daemon');
      process.kill(before, 'SIGKILL');
      const after = await user.run(`
        const { acceptsConnections } = await import(lab + '/socket.ts');
        const begin = performance.now();
        let found;
        for (;;) {
          found = labState(paths);
          if (found.daemon && found.daemon !== ${before} && await acceptsConnections(paths.daemonSocket)) break;
          await delay(10);
        }
        answer({ ...found, ms: performance.now() - begin });
      `);
      expect(Running.parse(after).keeper).toBe(lab.keeper);
      // DESIGN.md §2.5 and the promise to users: a new daemon within 3 s, with room for the back-off
      expect(z.object({ ms: z.number() }).parse(after).ms).toBeLessThan(3000);
      expect(await user.run(`answer(shellInLab('ps -o ppid=,stat=,args= -p ${kept.pid}'));`)).toContain(
        'sleep 1000',
      );
    }
  });

  test('moves a large log aside when it starts a daemon again', async () => {
    const lab = await start();
    const daemon = lab.daemon ?? Running.parse(await state()).daemon;
    const sizes = z.object({ kept: z.number(), log: z.number(), text: z.string() }).parse(
      await user.run(`
        fs.truncateSync(paths.daemonLog, 17 << 20);
        process.kill(${daemon}, 'SIGKILL');
        while ([undefined, ${daemon}].includes(labState(paths).daemon)) await delay(10);
        answer({ kept: fs.statSync(paths.daemonLog + '.1').size, log: fs.statSync(paths.daemonLog).size,
          text: fs.readFileSync(paths.daemonLog + '.1', 'utf8').slice(-100) });
      `),
    );
    expect(sizes.kept).toBeGreaterThan(17 << 20);
    expect(sizes.text).toContain('starting it again');
    expect(sizes.log).toBeLessThan(1 << 20);
  });

  test('tells the last words of a daemon that cannot start, and leaves nothing', async () => {
    const failed = await user.run(`
      fs.writeFileSync(env.HOME + '/broken.mjs', 'console.error("the database is of a later version"); process.exit(3);');
      await startLab(paths, { ...options, daemon: env.HOME + '/broken.mjs' }).then(() => answer('started'),
        (error) => answer({ code: error.code, message: error.message }));
    `);
    expect(failed).toMatchObject({ code: 'lab.start' });
    expect(z.object({ message: z.string() }).parse(failed).message).toContain(
      'the database is of a later version',
    );
    expect(await state()).toEqual({ state: 'stopped' });
    expect((await start()).started).toBe(true);
  });

  test('says that the host refuses namespaces', async () => {
    const failed = await user.run(`
      fs.mkdirSync(env.HOME + '/bin', { recursive: true });
      fs.writeFileSync(env.HOME + '/bin/unshare', '#!/bin/sh\\necho "unshare: unshare failed: Operation not permitted" >&2; exit 1\\n', { mode: 0o755 });
      const refused = { ...env, PATH: env.HOME + '/bin:' + env.PATH };
      await startLab(paths, { ...options, env: refused }).then(() => answer('started'), (error) => answer(error.message));
    `);
    expect(failed).toContain('Operation not permitted');
    expect(failed).toContain('bootyard doctor');
  });

  test('reaps orphans, also of commands whose outer end was killed', async () => {
    await start();
    await user.run(`
      const [program, ...argv] = enterArgv(paths, ['sh', '-c', 'for i in 1 2 3 4 5; do (sleep 0.$i & ) ; done; sleep 0.5 & echo in; sleep 1000']);
      const child = spawn(program, argv, { stdio: ['ignore', 'pipe', 'ignore'] });
      await new Promise((resolve) => child.stdout.once('data', resolve));
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
      // its inner end lives on and holds the pipe
      child.stdout.destroy();
      answer(true);
    `);
    expect(await user.run(`answer(shellInLab('pkill -x -f "sleep 1000"; echo done'));`)).toBe('done');
    await eventually('no sleep and no zombie is left in the lab', async () => {
      const list = z.string().parse(await user.run(`answer(shellInLab('ps -e -o stat=,args='));`));
      return !/^Z/m.test(list) && !list.includes('sleep 0') && !list.includes('sleep 1000');
    });
  });
});

function processesIn(namespaces: string[]): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) =>
      ['pid', 'net', 'mnt'].some((kind) => namespaces.includes(linkOf(`/proc/${pid}/ns/${kind}`))),
    );
}

function ownNamespaces(): string[] {
  return ['pid', 'net', 'mnt'].map((kind) => linkOf(`/proc/self/ns/${kind}`));
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
