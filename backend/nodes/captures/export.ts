import { createWriteStream, renameSync, rmSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { printable } from '../../events/timeline.ts';
import type { Timeline } from '../../events/boots.ts';
import type { CaptureRecord } from './capture-files.ts';
import { PacketDecoder } from './decode/decoder.ts';
import { type Packet, readPackets } from './pcap.ts';
import { enhancedPacket, interfaceDescription, sectionHeader } from './pcapng.ts';

/** What the packet is by which a stage is seen to begin: its event follows that packet by a moment. */
const BEGINS: Readonly<Record<string, readonly string[]>> = {
  dhcp: ['DHCP'],
  'boot files': ['TFTP', 'HTTP'],
  root: ['MOUNT', 'NFS'],
};
/** How long after its packet an event may come. µs */
const LATE_US = 500_000;

interface Mark {
  /** µs since the epoch */
  at: number;
  protocols: readonly string[] | undefined;
  text: string;
}

/**
 * Writes a capture as pcapng, up to its last whole packet of now, with a comment on the first packet of each stage of its boot.
 * Answers how many packets it has.
 */
export async function exportCapture(
  record: CaptureRecord,
  node: string,
  timeline: Timeline | undefined,
): Promise<number> {
  const comments = await placeMarks(record, timeline);
  const boot = timeline
    ? `boot ${timeline.number} on image ${timeline.image}`
    : 'a boot that is not on record';
  let count = 0;
  async function* blocks(): AsyncGenerator<Buffer> {
    yield sectionHeader(`Bootyard node ${node}, ${boot}, network ${record.network}`);
    yield interfaceDescription(record.network, `card of ${node} in ${record.network}, the lab's end`);
    for await (const packet of readPackets(record.place.pcap)) {
      yield enhancedPacket(packet, comments.get(count));
      count++;
    }
  }
  const unfinished = `${record.pcapng}.new`;
  try {
    await pipeline(Readable.from(blocks()), createWriteStream(unfinished, { mode: 0o600 }));
    renameSync(unfinished, record.pcapng);
  } finally {
    rmSync(unfinished, { force: true });
  }
  return count;
}

/** Comments by the number of their packet, from 0 on. */
async function placeMarks(
  record: CaptureRecord,
  timeline: Timeline | undefined,
): Promise<Map<number, string[]>> {
  const marks = timeline ? marksOf(timeline) : [];
  const comments = new Map<number, string[]>();
  const decoder = new PacketDecoder();
  let index = 0;
  for await (const packet of readPackets(record.place.pcap)) {
    const { protocol } = decoder.decode(packet);
    for (let mark = marks[0]; mark && isAt(mark, packet, protocol); mark = marks[0]) {
      comments.set(index, [...(comments.get(index) ?? []), mark.text]);
      marks.shift();
    }
    if (marks.length === 0) break;
    index++;
  }
  return comments;
}

function marksOf({ startedAt, stages }: Timeline): Mark[] {
  const powerOn = Date.parse(startedAt) * 1000;
  return stages.map(({ name, startMs, durationMs, detail }) => ({
    at: powerOn + startMs * 1000,
    protocols: BEGINS[name],
    text: printable(`stage ${name}, ${startMs} ms after power-on, ${durationMs} ms: ${detail}`),
  }));
}

function isAt({ at, protocols }: Mark, packet: Packet, protocol: string): boolean {
  return packet.at >= at || (packet.at >= at - LATE_US && protocols?.includes(protocol) === true);
}
