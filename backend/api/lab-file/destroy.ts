import type { Calls, Control } from './facts.ts';
import type { Lab } from './schema.ts';

export interface DestroyPlan {
  /** names, as the lab has them */
  nodes: string[];
  images: string[];
  /** why an image of the file stays, a sentence each */
  kept: string[];
  losses: string[];
}

/** What there is of a file's nodes and images. Images that other nodes boot stay. */
export async function planDestroy(client: Calls, lab: Lab): Promise<DestroyPlan> {
  const wanted = new Set([...lab.nodes.keys()].map((name) => name.toLowerCase()));
  const all = await client.call('node.list', {});
  const nodes = all.filter(({ name }) => wanted.has(name.toLowerCase()));
  const losses =
    nodes.length === 0 ? [] : await client.call('node.losses', { nodes: nodes.map(({ name }) => name) });
  const running = nodes
    .filter(({ state }) => state !== 'off')
    .map(({ name }) => `Node ${name} runs, and is stopped.`);
  const plan: DestroyPlan = {
    nodes: nodes.map(({ name }) => name),
    images: [],
    kept: [],
    losses: [...running, ...losses],
  };
  for (const { name } of await client.call('image.list', {})) {
    if (!lab.images.has(name)) continue;
    const others = all.filter((node) => node.image === name && !nodes.includes(node));
    if (others.length === 0) plan.images.push(name);
    else plan.kept.push(`Image ${name} stays: ${others.map((node) => node.name).join(', ')} boots it.`);
  }
  return plan;
}

export async function destroyLab(
  client: Calls,
  { nodes, images }: DestroyPlan,
  control: Control,
): Promise<void> {
  if (nodes.length > 0) await client.call('node.remove', { nodes, force: true }, control);
  if (images.length > 0) await client.call('image.remove', { images }, control);
}
