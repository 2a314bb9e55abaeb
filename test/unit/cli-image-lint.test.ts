import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import type { Finding } from '../../backend/api/image.ts';
import { BootyardError } from '../../backend/errors.ts';
import { CommandLine } from '../support/cli.ts';

const cli = new CommandLine();
afterAll(() => cli.remove());
beforeEach(() => cli.startDaemon());
afterEach(() => cli.stopDaemon());

const findings: Finding[] = [
  {
    rule: 'init.missing',
    severity: 'error',
    path: '/sbin/init',
    message: 'The image has no /sbin/init.',
    fix: 'Install one.',
    dockerfile: 'RUN apt-get install -y systemd-sysv',
  },
  {
    rule: 'boot.dangling-link',
    severity: 'warning',
    path: '/boot/\u001b[31mx',
    message: 'It\u001b leads nowhere.',
    fix: 'Remove it.',
  },
];

test('image lint: a table, then a sentence and a fix for each; 1 when there are errors', async () => {
  const asked: string[] = [];
  cli.handlers['image.lint'] = ({ image, ram }) => {
    asked.push(image, ...(ram ? [ram] : []));
    return findings;
  };
  const { code, stdout, stderr } = await cli.run(['image', 'lint', 'tiny', '--ram', '1G']);
  expect(asked).toEqual(['tiny', '1G']);
  expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
  expect(stdout).not.toContain('\u001b');
  const lines = stdout.split('\n');
  expect(lines[0]?.split(/ {2,}/)).toEqual(['severity', 'rule', 'path']);
  expect(lines[2]?.split(/ {2,}/)).toEqual(['error', 'init.missing', '/sbin/init']);
  expect(lines[3]?.split(/ {2,}/).slice(0, 2)).toEqual(['warning', 'boot.dangling-link']);
  expect(stdout).toContain(
    '\ninit.missing: The image has no /sbin/init.\n  Install one.\n  Dockerfile: RUN apt-get install -y systemd-sysv\n',
  );
});

test('image lint --json has what scripts rely on; warnings alone are no failure', async () => {
  cli.handlers['image.lint'] = () => findings.slice(1);
  const { code, stdout } = await cli.run(['image', 'lint', 'tiny', '--json']);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual(findings.slice(1));
});

test('image lint of a good image, and of none', async () => {
  cli.handlers['image.lint'] = () => [];
  expect(await cli.run(['image', 'lint', 'tiny'])).toEqual({
    code: 0,
    stdout: 'Nothing is wrong with image tiny.\n',
    stderr: '',
  });
  expect((await cli.run(['image', 'lint', 'tiny', '--json'])).stdout).toBe('[]\n');
  cli.handlers['image.lint'] = () => {
    throw new BootyardError('image.unknown', "Error: No such image 'no'. (tip: bootyard image show)");
  };
  const { code, stderr } = await cli.run(['image', 'lint', 'no']);
  expect(code).toBe(1);
  expect(stderr.trim()).toBe("Error: No such image 'no'. (tip: bootyard image show)");
});

test('image lint completes images', async () => {
  cli.handlers['image.list'] = () =>
    ['tiny', 'other'].map((name) => ({
      ...{ name, id: 'ab'.repeat(32), labels: {}, sizeBytes: 1, ownBytes: 0, created: '', inUse: false },
      ...{ nodes: [], layers: 1, models: [] },
    }));
  expect(await cli.complete('image', 'lint', 't')).toEqual(['tiny']);
});
