import type { LabStatus } from '../../backend/api/lab.ts';
import type { NodeInfo } from '../../backend/api/node.ts';
import type { ServedHandlers } from '../../backend/api/server.ts';

export const LAB: LabStatus = {
  state: 'running',
  acceleration: 'tcg',
  network: { name: 'walt-net', address: '192.168.152.1' },
  nodes: { booted: 0, total: 1 },
};

export function node(name: string, reason: string | null = null): NodeInfo {
  return {
    name,
    mac: '52:54:00:00:00:01',
    ip: '192.168.152.2',
    model: 'pc-x86-64',
    image: 'tiny',
    state: 'off',
    reason,
    stage: null,
    bootStartedAt: null,
    bootedAt: null,
    settings: {},
  };
}

const unused = (): never => {
  throw new Error('not part of this test');
};

/** Answers of a daemon that has no lab behind it; a test replaces those that it asks. */
export const basicHandlers: ServedHandlers = {
  'lab.status': () => LAB,
  'lab.exposeRegistry': () => LAB,
  'lab.shutdown': () => ({}),
  'engine.list': () => [],
  'node.list': (params) => (params.nodes ?? ['vnode1']).map((name) => node(name)),
  'node.create': unused,
  'node.boot': unused,
  'node.reboot': unused,
  'node.stop': unused,
  'node.wait': unused,
  'node.config': unused,
  'node.settings': unused,
  'node.checkSettings': unused,
  'node.disks': unused,
  'node.imageCopies': unused,
  'node.removeDisk': unused,
  'node.snapshotList': unused,
  'node.snapshotSave': unused,
  'node.snapshotRestore': unused,
  'node.snapshotRemove': unused,
  'node.createFrom': unused,
  'node.rename': unused,
  'node.losses': () => [],
  'node.remove': unused,
  'node.timeline': unused,
  'node.shellCommand': unused,
  'node.console': unused,
  'node.replay': unused,
  'node.diff': unused,
  'node.save': unused,
  'node.dropDiff': () => ({}),
  'node.pushToImage': unused,
  'node.ping': unused,
  'node.blink': unused,
  'port.list': () => [],
  'port.hold': unused,
  'port.serve': unused,
  'image.list': () => [],
  'image.import': unused,
  'image.lint': unused,
  'image.transfer': unused,
  'image.remove': unused,
  'image.history': unused,
  'image.duplicate': unused,
  'image.rename': unused,
  'image.squash': unused,
  'image.label': unused,
  'image.replace': unused,
  'image.diff': unused,
  'image.file': unused,
  'image.files': unused,
  'image.readFile': unused,
  'image.searchFiles': unused,
  'image.edit': unused,
  'image.editFile': unused,
  'image.saveEdits': unused,
  'image.export': unused,
  'image.cp': unused,
  'image.df': unused,
  'image.gc': unused,
  'image.openShell': unused,
  'image.holdShell': unused,
  'image.shellDiff': unused,
  'image.saveShell': unused,
};
