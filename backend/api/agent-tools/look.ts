import * as z from 'zod';
import { BootyardError } from '../../errors.ts';
import { ExplainedBoot, Timeline } from '../boots.ts';
import { ImageInfo } from '../image.ts';
import { NodeInfo } from '../node.ts';
import { formatSeconds, printable } from '../text-table.ts';
import { consoleText } from './console-text.ts';
import { agentTool, firstOf, type ToolContext } from './tool.ts';

const MOST = 100;
const leftOut = z.number().describe('how many more there are than are listed');

export const NodeBrief = NodeInfo.pick({
  name: true,
  state: true,
  reason: true,
  stage: true,
  image: true,
  model: true,
  ip: true,
  bootedAt: true,
});
export const nodeName = z.string().min(1).describe('name of a node');
export const nodeNames = z
  .array(nodeName)
  .min(1)
  .max(MOST)
  .describe('names of nodes; all-nodes stands for all of them');

export const listNodes = agentTool({
  name: 'list_nodes',
  title: 'List nodes',
  description:
    'Lists the virtual machines (nodes) of the Bootyard netboot lab with their state (off, booting, booted, unreachable, failed), the reason of it, the boot stage that goes on, image and address.',
  input: z.object({}),
  output: z.object({ nodes: z.array(NodeBrief), leftOut }),
  run: async (_, { client, signal }) => {
    const { shown, leftOut } = firstOf(await client.call('node.list', {}, { signal }), MOST);
    return { nodes: shown, leftOut };
  },
});

const ImageBrief = ImageInfo.pick({
  name: true,
  models: true,
  sizeBytes: true,
  created: true,
  nodes: true,
  lint: true,
});

export const listImages = agentTool({
  name: 'list_images',
  title: 'List images',
  description:
    'Lists the operating system images that nodes can boot: name, node models that they serve, size, the nodes that boot them, and how many problems the check for bootability has found.',
  input: z.object({}),
  output: z.object({ images: z.array(ImageBrief), leftOut }),
  run: async (_, { client, signal }) => {
    const { shown, leftOut } = firstOf(await client.call('image.list', {}, { signal }), MOST);
    return { images: shown, leftOut };
  },
});

/** A boot may have thousands of steps: of those, what was refused or broke off. */
const LastBoot = Timeline.omit({ steps: true }).extend({
  faults: Timeline.shape.steps.describe('what was refused or broke off'),
  problem: ExplainedBoot.shape.explanation.describe(
    'where and why it stopped, what to do, and the evidence; null: nothing is known to be wrong',
  ),
});

export const explainLastBoot = agentTool({
  name: 'explain_last_boot',
  title: 'Explain the last boot',
  description:
    "Says how a node is and how its last boot went: one sentence that tells the outcome and, when it failed, where and why and what to do, with the evidence; the node's settings; and the timeline, stage by stage (firmware, dhcp, boot files, kernel, root, walt-init, init, booted) with times in ms since power-on and what happened in each.",
  input: z.object({ node: nodeName }),
  output: z.object({
    explanation: z.string(),
    node: NodeBrief.extend({ settings: NodeInfo.shape.settings }),
    lastBoot: LastBoot.nullable().describe('null: the node was never booted'),
  }),
  run: async ({ node }, context) => {
    const info = await oneNode(node, context);
    const lastBoot = await lastBootOf(info.name, context);
    return { explanation: explanation(info, lastBoot), node: info, lastBoot };
  },
});

export async function oneNode(node: string, { client, signal }: ToolContext): Promise<NodeInfo> {
  const [info, ...others] = await client.call('node.list', { nodes: [node] }, { signal });
  if (info && others.length === 0) return info;
  throw new BootyardError('node.several', `Sorry, '${node}' is several nodes: name one.`);
}

async function lastBootOf(
  node: string,
  { client, signal }: ToolContext,
): Promise<z.infer<typeof LastBoot> | null> {
  try {
    const { number, explanation: problem } = await client.call('node.explain', { node }, { signal });
    const { steps, ...boot } = await client.call('node.timeline', { node, boot: number }, { signal });
    const faults = steps.filter(({ isFault = false }) => isFault);
    return { ...boot, faults: firstOf(faults, MOST).shown, problem };
  } catch (error) {
    if (error instanceof BootyardError && error.code === 'node.noBoot') return null;
    throw error;
  }
}

function explanation(node: NodeInfo, boot: z.infer<typeof LastBoot> | null): string {
  if (boot === null) return `Node ${node.name} has not been booted yet.`;
  if (boot.problem) return boot.problem.sentence;
  const took = formatSeconds(boot.totalMs);
  const last = boot.stages.at(-1);
  const stage = last ? ` in stage ${last.name}${last.detail ? ` (${last.detail})` : ''}` : '';
  const why = sentence(boot.reason);
  if (boot.outcome === 'booted') {
    const now = node.state === 'booted' ? '' : ` Now it is ${node.state}.${sentence(node.reason)}`;
    return `Node ${node.name} was booted ${took} after power-on on image ${boot.image}.${now}`;
  }
  if (boot.outcome === 'going on')
    return `Node ${node.name} boots since ${took}, now${stage}.${sentence(node.reason)}`;
  return `The last boot of node ${node.name} ended after ${took}${stage}: ${boot.outcome}.${why}`;
}

const sentence = (reason: string | null): string => (reason === null ? '' : ` ${reason}`);

export const readConsole = agentTool({
  name: 'read_console',
  title: 'Read the console',
  description:
    'Reads what the serial console of a node has printed since power-on (firmware, kernel, init, login), as text, page by page: without a cursor from the oldest that is kept, with the cursor of the answer before from there on. `more` says whether there is more to read at once; when it is false, the same cursor later gives what has been printed since.',
  input: z.object({
    node: nodeName,
    cursor: z.string().max(100).optional().describe('of the answer before; absent: from the begin'),
    maxBytes: z.number().int().min(4_096).max(65_536).default(16_384),
  }),
  output: z.object({
    text: z.string().describe('without escape sequences; other control characters are written as \\xNN'),
    cursor: z.string(),
    more: z.boolean(),
    gap: z
      .boolean()
      .describe(
        'what followed the cursor is gone (a power-on, too much output): this is the oldest that is kept',
      ),
  }),
  run: async ({ node, cursor, maxBytes }, { client, signal }) => {
    const { data, ...page } = await client.call('node.readConsole', { node, cursor, maxBytes }, { signal });
    return { ...page, text: consoleText(Buffer.from(data, 'base64')) };
  },
});

/** Names of others in a sentence. */
export const named = (names: readonly string[]): string => printable(names.join(', '));
