import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { withOwnMounts } from '../../backend/images/default/debian.ts';
import { testFolder } from './images/support.ts';

test('a build of root that is killed leaves no mount for who removes its folder', () => {
  const folder = join(testFolder(), 'root');
  mkdirSync(folder);
  const script = `mount -t tmpfs none ${folder} && touch ${folder}/there && kill -9 $$`;
  const [program = '', ...words] = withOwnMounts('root', ['sh', '-c', script]);
  // Without root there is nothing to mount with: the namespace of a user's own gives it.
  const user = process.getuid?.() === 0 ? [] : ['unshare', '--user', '--map-root-user'];
  const [first = '', ...rest] = [...user, program, ...words];
  expect(spawnSync(first, rest).signal).toBe('SIGKILL');
  expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(folder);
  expect(existsSync(join(folder, 'there'))).toBe(false);
});

test('a build of a plain user brings its own namespace', () => {
  expect(withOwnMounts('unshare', ['mmdebstrap'])).toEqual(['mmdebstrap']);
});
