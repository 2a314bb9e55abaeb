import * as z from 'zod';
import { BootyardError } from '../../errors.ts';
import { NodeBrief, named, nodeName, nodeNames, oneNode } from './look.ts';
import { runBounded } from './run-command.ts';
import { agentTool } from './tool.ts';

export const bootNodes = agentTool({
  name: 'boot_nodes',
  title: 'Boot nodes',
  description:
    'Powers nodes on, on another image if one is named; answers when their machines run, so call wait_booted next. A node that runs already is restarted, which loses what it has changed outside /persist: that is refused unless `confirm` is true, which is for the user to say.',
  input: z.object({
    nodes: nodeNames,
    image: z
      .string()
      .min(1)
      .optional()
      .describe('name of an image of list_images; absent: the one the node has'),
    confirm: z.boolean().default(false).describe('the user has agreed that nodes that run are restarted'),
  }),
  output: z.object({ nodes: z.array(NodeBrief) }),
  changes: {
    destructive: true,
    question: ({ nodes, image }) => ({
      text: `${named(nodes)}${image === undefined ? '' : ` on image ${named([image])}`}. A node that runs is restarted, and loses what it has changed outside /persist.`,
    }),
    agreed: { confirm: true },
  },
  run: async ({ nodes, image, confirm }, { client, signal }) => {
    const running = (await client.call('node.list', { nodes }, { signal })).filter(({ state }) =>
      ['booting', 'booted', 'unreachable'].includes(state),
    );
    if (running.length > 0 && !confirm) throw mustAsk(running.map(({ name }) => name));
    return { nodes: await client.call('node.boot', { nodes, image }, { signal }) };
  },
});

function mustAsk(names: string[]): BootyardError {
  const [subject, verb] = names.length === 1 ? ['Node', 'runs'] : ['Nodes', 'run'];
  return new BootyardError(
    'tool.consent',
    `${subject} ${named(names)} ${verb}, and a boot loses what was changed there outside /persist: ask the user, then call boot_nodes with confirm set to true.`,
    { nodes: names },
  );
}

export const waitBooted = agentTool({
  name: 'wait_booted',
  title: 'Wait until booted',
  description:
    'Waits until all the nodes are booted, so that commands can be run in them. When time is up it answers how they are, with `booted` false: call it again. It fails with the reason when a boot has failed.',
  input: z.object({
    nodes: nodeNames,
    timeoutSeconds: z.number().min(1).max(600).default(50),
  }),
  output: z.object({ booted: z.boolean(), nodes: z.array(NodeBrief) }),
  run: async ({ nodes, timeoutSeconds }, { client, signal, onProgress }) => {
    onProgress?.({ message: `Waiting for bootup of ${named(nodes)}` });
    try {
      return { booted: true, nodes: await client.call('node.wait', { nodes, timeoutSeconds }, { signal }) };
    } catch (error) {
      if (!(error instanceof BootyardError && error.code === 'node.timeout')) throw error;
      return { booted: false, nodes: await client.call('node.list', { nodes }, { signal }) };
    }
  },
});

export const runCommand = agentTool({
  name: 'run_command',
  title: 'Run a command in a node',
  description:
    'Runs a shell command as root in one booted node, and answers its exit code with what it printed on both outputs; of long output the middle is left out. The command has no terminal and no input. When time is up exitCode is null, and the command may go on in the node.',
  input: z.object({
    node: nodeName,
    command: z.string().min(1).max(32_768).describe('for the shell of the node'),
    timeoutSeconds: z.number().min(1).max(600).default(50),
    maxBytes: z.number().int().min(1_024).max(65_536).default(16_384).describe('of each output'),
  }),
  output: z.object({
    exitCode: z.number().nullable().describe('null: time was up; 255 is also what a lost connection gives'),
    stdout: z.string(),
    stderr: z.string(),
    stdoutLeftOutBytes: z.number(),
    stderrLeftOutBytes: z.number(),
  }),
  changes: {
    destructive: true,
    question: ({ node, command }) => ({ text: `As root in ${named([node])}:`, code: command }),
  },
  run: async ({ node, command, ...limits }, { client, signal }) => {
    const { name, state } = await oneNode(node, { client, signal });
    if (state === 'booting') {
      throw new BootyardError('node.booting', `Node ${name} still boots: call wait_booted first.`, { node });
    }
    const { argv } = await client.call('node.shellCommand', { node, command, tty: false }, { signal });
    const { exitCode, stdout, stderr } = await runBounded(argv, { signal, ...limits });
    return {
      exitCode,
      stdout: stdout.text,
      stderr: stderr.text,
      stdoutLeftOutBytes: stdout.leftOutBytes,
      stderrLeftOutBytes: stderr.leftOutBytes,
    };
  },
});
