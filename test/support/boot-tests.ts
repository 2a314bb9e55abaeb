import { encodeRecords } from '../../backend/api/log-lines.ts';
import type { CheckedParams } from '../../backend/api/contract.ts';
import type { NodeInfo } from '../../backend/api/node.ts';
import type { ServedHandlers } from '../../backend/api/server.ts';
import { node } from './api-lab.ts';
import { here } from './cli.ts';

export const bootTimes = {
  bootStartedAt: '2026-01-01T00:00:00.000Z',
  bootedAt: '2026-01-01T00:00:10.000Z',
};

/** The daemon of boot tests without a lab behind it: a node is what `looks` says, and its commands run on this host. */
export class FakeBoots {
  readonly begun: CheckedParams<'bootTest.begin'>[] = [];
  readonly cuts: CheckedParams<'bootTest.cutOff'>[] = [];
  readonly removed: string[] = [];
  /** how often a client has let its node go */
  released = 0;
  /** what the node is, one look after the other; the last one stays */
  looks: Partial<NodeInfo>[] = [
    { state: 'booting', stage: 'kernel' },
    { state: 'booted', ...bootTimes },
  ];
  /** on its console */
  said = 'Welcome\n';
  /** files of its image; `isCopied`: as hybrid boots have it */
  reads = ['boot/pc-x86-64/kernel', 'sbin/init'];
  isCopied = false;
  /** line by line, each in the stream `app` */
  logged = ['one', 'two'];

  readonly handlers: Partial<ServedHandlers> = {
    'bootTest.begin': (params, context) => {
      this.begun.push(params);
      const stream = context.openStream();
      stream.onClose(() => this.released++);
      return { node: 'boot-test', stream: stream.id };
    },
    'bootTest.cutOff': (params) => {
      this.cuts.push(params);
      return {};
    },
    'node.list': ({ nodes }) =>
      nodes?.map((name) => ({
        ...node(name),
        ...(this.looks.length > 1 ? this.looks.shift() : this.looks[0]),
      })) ?? [node('test-a')],
    'node.console': (_, context) => {
      const stream = context.openStream();
      stream.write(Buffer.from(this.said));
      return { stream: stream.id };
    },
    'log.read': ({ issuers }, context) => {
      const stream = context.openStream();
      const line = (text: string) => ({
        id: 0,
        time: 0,
        issuer: issuers[0] ?? '',
        stream: 'app',
        line: Buffer.from(text),
      });
      stream.write(encodeRecords(this.logged.map(line)));
      return { stream: stream.id };
    },
    'node.shellCommand': here,
    'node.reads': ({ node: name }) => ({
      ...{ node: name, number: 1, image: 'tiny', bootedMs: 1, isCopied: this.isCopied },
      reads: this.reads.map((path) => ({ path, bytes: 1, atMs: 0, waitedMs: 0 })),
    }),
    'node.timeline': () => ({
      ...{ node: 'boot-test', number: 1, image: 'tiny', startedAt: '', outcome: 'failed', reason: null },
      totalMs: 1,
      steps: [3_000_000, 20_000_000].map((bytes) => ({
        ...{ kind: 'file' as const, stage: 'kernel', name: 'HTTP', startMs: 0, durationMs: 1, detail: '' },
        ...{ bytes, path: `/boot/${bytes}` },
      })),
      stages: [{ name: 'kernel', startMs: 0, durationMs: 1, detail: '' }],
    }),
    'node.boots': ({ node: name }) =>
      ['going on', 'failed'].map((outcome, at) => ({
        ...{ node: name, number: 2 - at, image: 'tiny', startedAt: '', outcome, totalMs: 1 },
        reason: outcome === 'failed' ? 'ended at init (no /sbin/init)' : null,
      })),
    'node.create': ({ name }) => {
      this.begun.push({ image: name });
      return node(name);
    },
    'node.remove': ({ nodes }) => {
      this.removed.push(...nodes);
      return {};
    },
    'image.lint': () => [
      {
        rule: 'init.missing',
        severity: 'error',
        message: 'The image has no /sbin/init.',
        path: '/sbin/init',
        fix: 'Add one.',
      },
      { rule: 'size.big', severity: 'warning', message: 'Big.', path: '', fix: '' },
    ],
  };

  fail(reason: string): void {
    this.looks = [{ state: 'failed', stage: null, reason }];
  }
}
