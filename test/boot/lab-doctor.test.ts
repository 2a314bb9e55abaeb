import { chmodSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { callersLab, plainUsersLab, type LabUser } from './lab-fixture.ts';

const Checks = z.array(
  z.object({
    name: z.string(),
    level: z.enum(['ok', 'warn', 'fail']),
    message: z.string(),
    fix: z.string().optional(),
  }),
);

const owners: [string, () => LabUser][] = [['the caller', callersLab]];
if (process.getuid?.() === 0) owners.push(['a plain user', plainUsersLab]);

/** A program of the user's own before the real one. */
const shadow = (program: string, script: string) => `
  fs.mkdirSync(env.HOME + '/bin', { recursive: true });
  fs.writeFileSync(env.HOME + '/bin/${program}', ${JSON.stringify(`#!/bin/sh\n${script}\n`)}, { mode: 0o755 });
  process.env.PATH = env.HOME + '/bin:' + env.PATH;
  process.on('exit', () => fs.rmSync(env.HOME + '/bin', { recursive: true }));
`;

describe.each(owners)('the doctor of %s', (name, make) => {
  let user: LabUser;
  beforeAll(() => {
    user = make();
  });
  afterAll(async () => {
    await user.dispose();
  });

  const examine = async (prelude = '') =>
    Checks.parse(
      await user.run(`
        ${prelude}
        const { runDoctor } = await import(lab + '/doctor.ts');
        answer(await runDoctor({ paths }));
      `),
    );
  test('finds nothing that keeps a lab from running here, and leaves no folder', async () => {
    const checks = await examine();
    expect(checks.filter((check) => check.level === 'fail')).toEqual([]);
    expect(checks.map((check) => check.name)).toEqual(
      expect.arrayContaining([
        'namespaces',
        '/proc',
        '/dev/net/tun',
        'bridge',
        'packet filter',
        'QEMU',
        'KVM',
        'iPXE',
        'mkfs',
        'router answers',
        'ssh',
        'disk space',
        'Node',
        'image programs',
      ]),
    );
    for (const check of checks) expect(check.message).not.toMatch(/[\n]|undefined/);
    expect(await user.run('answer(fs.existsSync(paths.data) || fs.existsSync(paths.run));')).toBe(false);
  });

  test('says how namespaces come to be allowed', async () => {
    const checks = await examine(
      shadow('unshare', 'echo "unshare: unshare failed: Operation not permitted" >&2; exit 1'),
    );
    const check = checks.find((check) => check.name === 'namespaces');
    expect(check).toMatchObject({
      level: 'fail',
      message: expect.stringContaining('Operation not permitted'),
    });
    expect(check?.fix).toBeTruthy();
    // what depends on it would only say the same again
    expect(checks.map((check) => check.name)).not.toContain('bridge');
  });

  test('names the package of what is missing', async () => {
    const checks = await examine(shadow('qemu-system-x86_64', 'exit 127'));
    expect(checks.find((check) => check.name === 'QEMU')).toMatchObject({
      level: 'fail',
      fix: expect.stringContaining('qemu-system-x86'),
    });
  });

  test('names the package of radvd, without which nodes only start later', async () => {
    // A folder of administrators cannot be shadowed, but a program in it can be covered.
    const checks = Checks.parse(
      await user.run(`
        const { findProgram } = await import(lab + '/program.ts');
        const code = "import { checkPrograms } from '" + lab + "/check-programs.ts'; console.log(JSON.stringify(await checkPrograms()));";
        const cover = ['sh', '-c', 'mount --bind /dev/null "$0" && exec "$@"', findProgram('radvd')];
        const argv = ['--user', '--map-root-user', '--mount', ...cover, process.execPath, '--input-type=module', '-e', code];
        answer(JSON.parse(execFileSync('unshare', argv, { encoding: 'utf8' })));
      `),
    );
    expect(checks.find((check) => check.name === 'router answers')).toEqual({
      name: 'router answers',
      level: 'warn',
      message: 'radvd not found: nodes with firmware=pxe start half a minute later',
      fix: expect.stringMatching(/ install .*radvd$/),
    });
    expect(checks.filter((check) => check.level !== 'ok')).toHaveLength(1);
  });

  test('refuses a Node without what the daemon needs', async () => {
    const old = `echo "Error [ERR_UNKNOWN_BUILTIN_MODULE]: No such built-in module: node:sqlite" >&2; exit 1`;
    const checks = Checks.parse(
      await user.run(`
        ${shadow('oldnode', old)}
        const { runDoctor } = await import(lab + '/doctor.ts');
        answer(await runDoctor({ paths, node: env.HOME + '/bin/oldnode' }));
      `),
    );
    expect(checks.find((check) => check.name === 'Node')).toMatchObject({
      level: 'fail',
      message: expect.stringContaining('it has no node:sqlite'),
    });
  });

  // Root may open it whatever its mode is.
  test.runIf(name === 'a plain user')('says how /dev/net/tun comes to be open', async () => {
    const mode = statSync('/dev/net/tun').mode & 0o777;
    chmodSync('/dev/net/tun', 0o600);
    try {
      expect((await examine()).find((check) => check.name === '/dev/net/tun')).toEqual({
        name: '/dev/net/tun',
        level: 'fail',
        message: 'you may not open /dev/net/tun',
        fix: 'sudo chmod 666 /dev/net/tun',
      });
    } finally {
      chmodSync('/dev/net/tun', mode);
    }
  });
});
