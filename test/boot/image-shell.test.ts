import { afterAll, beforeAll, expect, test } from 'vitest';
import { repository, TestLab, until } from '../support/lab.ts';
import { Screen } from '../support/cli.ts';
import { isLong } from '../support/long.ts';

const lab = new TestLab();
const TINY = 'pc-x86-64-tiny';
beforeAll(() => lab.importDefault(TINY));
afterAll(() => lab.remove());

const terminal = (...words: string[]) =>
  new Screen([`${repository}/bin/bootyard`, ...words], { ...lab.env, TERM: 'xterm' });
const folders = () => lab.run('node', 'show', '--json').then(({ stdout }) => stdout.trim());

test('a shell in an image, whose changes outlive a daemon, become an image by the name that is typed', async () => {
  const screen = terminal('image', 'shell', TINY);
  await screen.shows('root@image-shell:');
  expect(await folders()).toBe('[]');
  const busy = await lab.run('image', 'label', TINY, 'a=b', '--force');
  expect([busy.status, busy.stderr]).toEqual([
    1,
    `Cannot open image ${TINY} because a shell session is already running.\n`,
  ]);
  const { daemon } = await lab.status();
  process.kill(daemon?.pid ?? 0, 'SIGKILL');
  screen.type('echo changed >/etc/motd; rm /etc/shells; cp /etc/motd /srv/own; chown 12:34 /srv/own; exit\r');
  await screen.shows(`New image name [${TINY}]: `);
  expect(screen.text).toMatch(
    /A +8 B +\/etc\/motd\r\nD +\/etc\/shells\r\nA +8 B +\/srv\/own\r\n.*2 added, 0 modified, 1 deleted/,
  );
  screen.type('Bad\r');
  await screen.shows('Bad name: Only lowercase');
  screen.type('mine\r');
  await screen.shows('New image mine saved.');
  expect(await screen.exit).toBe(0);
  const diff = JSON.parse(await lab.bootyard('image', 'diff', TINY, 'mine', '--json')) as {
    changes: { kind: string; path: string }[];
  };
  expect(diff.changes.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
    'A /etc/motd',
    'D /etc/shells',
    'A /srv/own',
  ]);
  // The image is free again, and the node is gone.
  await lab.bootyard('image', 'rename', 'mine', 'yours');
  const gone = await until(
    'it is gone',
    () => lab.run('node', 'show', 'image-shell'),
    ({ status }) => status === 1,
  );
  expect(gone.stderr).toContain("no node is named 'image-shell'");
});

test.runIf(isLong)(
  'a node that is rebooted from its shell: that is said, and what was changed is kept',
  async () => {
    const screen = terminal('image', 'shell', TINY);
    await screen.shows('root@image-shell:');
    screen.type('echo before >/etc/before; reboot\r');
    await screen.shows('The connection to the shell was lost. Connect again? (y/n): ');
    const asked = screen.text.length;
    screen.type('y\r');
    await screen.shows('root@image-shell:', asked);
    screen.type('cat /etc/before; echo after >/etc/after; exit\r');
    await screen.shows('New image name', asked);
    const after = screen.text.slice(asked);
    expect(after).toMatch(/exit\r\nbefore\r\n/);
    expect(after).toMatch(/A +6 B +\/etc\/after\r\nA +7 B +\/etc\/before\r\n/);
    screen.type('twice\r');
    await screen.shows('New image twice saved.');
    expect(await screen.exit).toBe(0);
  },
);
