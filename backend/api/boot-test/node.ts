import type { BootCase } from './cases.ts';
import type { Client } from './run.ts';

export interface TestNode {
  name: string;
  /** `hasFailed`: it stays, if it was to be kept */
  release(hasFailed: boolean): Promise<void>;
}

const LONGEST = 40;

/** Switches the node of a case on: a temporary one, which goes with this process, or one of the lab that may be kept. */
export async function startNode(
  client: Client,
  test: BootCase,
  keep: boolean,
  signal: AbortSignal,
): Promise<TestNode> {
  const { model } = test.spec;
  const wish = { image: test.image, ...(model && { model }), settings: test.settings };
  if (keep) return await keptNode(client, test.name, wish, signal);
  const { node, stream } = await client.call('bootTest.begin', wish, { signal });
  return { name: node, release: async () => client.stream(stream).close() };
}

async function keptNode(
  client: Client,
  title: string,
  wish: { image: string; settings: BootCase['settings'] },
  signal: AbortSignal,
): Promise<TestNode> {
  const taken = new Set((await client.call('node.list', {}, { signal })).map((node) => node.name));
  const words = title.replace(/[^A-Za-z0-9]+/g, '-').slice(0, LONGEST);
  const base = `test-${words}`.replace(/-+$/, '');
  let name = base;
  for (let number = 2; taken.has(name); number++) name = `${base}-${number}`;
  const remove = () => client.call('node.remove', { nodes: [name], force: true });
  // Not cancelled: it would be there all the same.
  await client.call('node.create', { ...wish, name });
  if (signal.aborted) await remove();
  signal.throwIfAborted();
  return {
    name,
    release: async (hasFailed) => {
      if (!hasFailed) await remove();
    },
  };
}
