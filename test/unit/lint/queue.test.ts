import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { KnownFindings } from '../../../backend/boot/lint/known-findings.ts';
import { LintQueue } from '../../../backend/boot/lint/lint-queue.ts';
import { ImageLinter } from '../../../backend/boot/lint/linter.ts';
import { type ImageRecord, ImageStore } from '../../../backend/images/store.ts';
import { until } from '../../support/lab.ts';
import { file, tarOf, testFolder } from '../images/support.ts';

/** A store with images that lack nearly all, and what checks them. */
async function storeOf(count: number) {
  const home = testFolder();
  const images = new ImageStore(join(home, 'store'));
  for (let at = 0; at < count; at++) {
    const path = join(home, 'root.tar');
    writeFileSync(path, tarOf([file('etc/name', String(at))]));
    await images.import({ path, name: `image${at}`, labels: { 'walt.node.models': 'pc-x86-64' } });
  }
  const linter = new ImageLinter({ images, ramBytes: 2 ** 29, log: () => undefined });
  return { images, linter };
}

test('images are checked one at a time, only while nothing boots, and each once', async () => {
  const { images, linter } = await storeOf(6);
  const logged: string[] = [];
  let atOnce = 0;
  let isIdle = false;
  let asked = 0;
  let changes = 0;
  const watched = {
    known: (id: string) => linter.known(id),
    lint: async (image: ImageRecord) => {
      expect(++atOnce).toBe(1);
      asked++;
      const findings = await linter.lint(image);
      atOnce--;
      return findings;
    },
  };
  const queue = new LintQueue({
    linter: watched,
    images: () => images.list(),
    isIdle: () => isIdle,
    changed: () => void changes++,
    log: (line) => void logged.push(line),
    pauseMs: 10,
  });
  onTestFinished(() => queue.close());
  queue.wake();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(asked).toBe(0);
  isIdle = true;
  const all = () => images.list().map(({ id }) => linter.known(id));
  await until('all are checked', all, (counts) => counts.every((found) => found !== undefined));
  for (let more = 0; more < 3; more++) queue.wake();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(asked).toBe(6);
  expect(all().every((found) => found && found.errors > 0)).toBe(true);
  expect(changes).toBeGreaterThan(0);
  expect(changes).toBeLessThanOrEqual(6);
  expect(logged).toEqual([]);
});

test('an image that cannot be checked is tried once, and closing ends the work', async () => {
  const { images, linter } = await storeOf(2);
  const logged: string[] = [];
  let asked = 0;
  const queue = new LintQueue({
    linter: {
      known: (id) => linter.known(id),
      lint: () => {
        asked++;
        throw new Error('it is damaged');
      },
    },
    images: () => images.list(),
    isIdle: () => true,
    changed: () => undefined,
    log: (line) => void logged.push(line),
    pauseMs: 10,
  });
  queue.wake();
  await until(
    'both were tried',
    () => logged,
    ({ length }) => length === 2,
  );
  queue.wake();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(asked).toBe(2);
  expect(logged[0]).toBe('image image0 was not checked: it is damaged');
  queue.close();
  queue.wake();
});

test('what is known of an image answers the next question, but not for other memory', async () => {
  const { images, linter } = await storeOf(1);
  const [image] = images.list();
  if (!image) throw new Error('no image');
  const steps = { usual: 0, other: 0 };
  const first = await linter.lint(image);
  expect(first.length).toBeGreaterThan(0);
  expect(await linter.lint(image, { progress: () => void steps.usual++ })).toEqual(first);
  await linter.lint(image, { ramBytes: 2 ** 30, progress: () => void steps.other++ });
  expect(steps.usual).toBe(0);
  expect(steps.other).toBeGreaterThan(20);
});

test('what is kept is bounded, counts longer than findings', () => {
  const known = new KnownFindings();
  const finding = { rule: 'x', severity: 'error', path: '/', message: 'M.', fix: 'F.' } as const;
  for (let at = 0; at < 5100; at++) known.put(String(at), [finding]);
  expect([known.counts('99'), known.counts('100')?.errors]).toEqual([undefined, 1]);
  expect([known.findings('5049'), known.findings('5050')?.length]).toEqual([undefined, 1]);
});
