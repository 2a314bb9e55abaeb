import { eachLine } from '../../backend/api/stream-lines.ts';
import type { Parts } from '../features.ts';
import { withProgress } from '../ui/progress.ts';

/** Lines that a packet list shows at most; the file has all. */
const MOST_LINES = 50_000;

/** What Wireshark would show in a line, for each packet of a capture. */
export async function packetList(
  { requireLab }: Parts,
  which: { node: string; network?: string; boot?: number },
): Promise<string> {
  const client = await requireLab();
  return await withProgress(`Packets of ${which.node}`, async () => {
    const { stream } = await client.call('node.packets', which);
    const lines: string[] = [];
    const enough = new AbortController();
    const decoder = new TextDecoder();
    const sentence = await eachLine(client.stream(stream), enough.signal, (line) => {
      lines.push(decoder.decode(line));
      if (lines.length < MOST_LINES) return;
      lines.push(
        `[the first ${MOST_LINES} packets: 'bootyard node capture open ${which.node}' writes all to a file]`,
      );
      enough.abort();
    });
    if (sentence !== undefined) lines.push(sentence);
    return `${lines.join('\n')}\n`;
  });
}
