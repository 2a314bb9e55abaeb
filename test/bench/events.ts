import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventEmitter } from 'node:events';
import { DatabaseSync } from 'node:sqlite';
import { EventBus, type BusEvent, type EventBody } from '../../backend/events/bus.ts';
import { BootTimeline } from '../../backend/events/timeline.ts';
import { BootWatch } from '../../backend/nodes/boot-watch.ts';
import { BootRecords } from '../../backend/state/boot-records.ts';
import { openDatabase } from '../../backend/state/database.ts';
import { TestLab } from '../support/lab.ts';
import { beforeOthers } from './quiet.ts';
import type { BenchRow } from './row.ts';

const EVENTS = 1_000_000;
const LISTENERS = 5;
const ROUNDS = 200;
/** Recording costs less than 2 % of a boot. */
const SHARE = 50;
const MAC = '52:54:00:00:00:02';

/** The event bus beside Node's own emitter, and what recording a boot costs beside the boot. */
export async function bench(): Promise<BenchRow[]> {
  beforeOthers();
  return [throughput(), await recording()];
}

function throughput(): BenchRow {
  const body: EventBody = {
    kind: 'nfs',
    client: '192.168.152.2',
    operations: 1,
    bytesRead: 1,
    connection: 'c',
    since: 0,
  };
  let heard = 0;
  const bus = new EventBus();
  bus.setResolver((subject) => ({ ...subject, node: MAC }));
  const emitter = new EventEmitter();
  for (let at = 0; at < LISTENERS; at++) {
    bus.subscribe(() => heard++);
    emitter.on('event', () => heard++);
  }
  const rate = (publish: () => void): number => {
    for (let at = 0; at < EVENTS / 10; at++) publish();
    const began = performance.now();
    for (let at = 0; at < EVENTS; at++) publish();
    return EVENTS / (performance.now() - began);
  };
  const peer = rate(() => emitter.emit('event', { ...body }));
  const ours = rate(() => bus.publish(body));
  if (heard === 0) throw new Error('nobody has heard an event');
  const name = `event bus, ${LISTENERS} listeners`;
  return { ...row(name, 'events/ms', ours, peer, "Node's EventEmitter"), ratio: ours / peer };
}

/** Takes the events of a real boot again, as the daemon did, and writes its record as often as it was written then. */
async function recording(): Promise<BenchRow> {
  const { events, bootMs, stages } = await realBoot();
  const folder = mkdtempSync(join(tmpdir(), 'by-bench-'));
  const database = openDatabase(join(folder, 'bootyard.db'));
  try {
    database.sqlite
      .prepare('INSERT INTO nodes (mac, name, ip, model, image) VALUES (?, ?, ?, ?, ?)')
      .run(MAC, 'n1', '192.168.152.2', 'pc-x86-64', 'tiny');
    const boots = new BootRecords(database);
    const began = performance.now();
    for (let round = 0; round < ROUNDS; round++) record(boots, String(round), events, stages);
    const ours = (performance.now() - began) / ROUNDS;
    const name = `recording a boot, ${events.length} events`;
    return { ...row(name, 'ms', ours, bootMs, 'the boot'), target: SHARE, met: bootMs / ours >= SHARE };
  } finally {
    database.close();
    rmSync(folder, { recursive: true });
  }
}

function record(boots: BootRecords, id: string, events: readonly BusEvent[], stages: number): void {
  const begin = { id, mac: MAC, image: 'tiny', startedAt: 0, outcome: 'going on', reason: null, stages: [] };
  boots.begin(begin);
  const bus = new EventBus();
  const timeline = new BootTimeline({ origin: performance.now() });
  const watch = new BootWatch({ timeline, timeoutSeconds: () => 600, onStalled: () => undefined });
  bus.subscribe((event) => watch.take(event));
  const save = (): void => {
    boots.update(id, 'going on', null, timeline.stages());
    boots.appendEvents(id, watch.takeEvents());
  };
  const perSave = Math.ceil(events.length / stages);
  for (const [at, { seq: _, time: __, mono: ___, ...body }] of events.entries()) {
    bus.publish(body);
    if (at % perSave === 0) save();
  }
  save();
  watch.close();
}

async function realBoot(): Promise<{ events: BusEvent[]; bootMs: number; stages: number }> {
  const lab = new TestLab();
  try {
    await lab.importDefault('pc-x86-64-tiny');
    await lab.bootyard('node', 'create', '--wait', 'n1', '--image', 'pc-x86-64-tiny');
    const { stages } = await lab.timeline('n1');
    const stored = new DatabaseSync(lab.paths.database, { readOnly: true });
    const rows = stored.prepare('SELECT event FROM boot_events ORDER BY number').all();
    stored.close();
    const events = rows.map((found) => JSON.parse(String(found.event)) as BusEvent);
    const bootMs = stages.find(({ name }) => name === 'booted')?.startMs ?? 0;
    return { events, bootMs, stages: stages.length };
  } finally {
    await lab.remove();
  }
}

/** Less is better. */
function row(name: string, unit: string, ours: number, peer: number, peerName: string): BenchRow {
  return { name, unit, ours, peer, peerName, ratio: peer / ours, target: null, met: null };
}
