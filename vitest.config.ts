import { defineConfig } from 'vitest/config';

/** Tests of boots that measure time, count the machine's processes, or change what other tests use. */
const alone = ['lab', 'lab-doctor', 'many', 'networks', 'survival'].map(
  (name) => `test/boot/${name}.test.ts`,
);
/** The slowest of the protocols' tests: a suite of its own, for two run side by side. */
const registry = 'test/protocol/registry-*.test.ts';
const onWire = { fileParallelism: false, testTimeout: 120_000, hookTimeout: 60_000 };
/** A guest that stands still is rebooted after 180 s. */
const booting = {
  testTimeout: 500_000,
  hookTimeout: 500_000,
  globalSetup: 'test/support/build-images.ts',
};

// unit: pure code. protocol, registry: real sockets and third-party clients, in namespaces
// (scripts/in-namespace). boot: QEMU, two
// files at once, for each often waits for its guest; boot-alone: one at a time.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          maxWorkers: 2,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'protocol',
          include: ['test/protocol/**/*.test.ts'],
          exclude: [registry],
          ...onWire,
        },
      },
      { test: { name: 'registry', include: [registry], ...onWire } },
      {
        test: {
          name: 'boot',
          include: ['test/boot/**/*.test.ts'],
          exclude: alone,
          maxWorkers: 2,
          ...booting,
        },
      },
      {
        test: { name: 'boot-alone', include: alone, fileParallelism: false, ...booting },
      },
    ],
  },
});
