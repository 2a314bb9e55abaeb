import type { ImageInfo } from '../image.ts';
import { type NodeInfo, modelSettings, type NodeSettings, type SettingInfo } from '../node.ts';
import { parseDisks } from '../../nodes/disks/setting.ts';
import { parseExpose } from '../../nodes/expose.ts';
import { parseNetworks } from '../../nodes/networks/setting.ts';
import type { KnownRecipe } from './recipe.ts';
import type { ImageSource, Lab, LabNode } from './schema.ts';

/** What there is, as the API tells it. */
export interface LabFacts {
  images: ImageInfo[];
  nodes: NodeInfo[];
  settings: SettingInfo[];
  /** of the images of the file */
  recipes: ReadonlyMap<string, KnownRecipe | undefined>;
  /** names of the snapshots of nodes, for those nodes that the file wants snapshots of */
  snapshots: ReadonlyMap<string, readonly string[]>;
  /** what is lost with a node when it is removed, and with a change of its disks: sentences */
  losses: ReadonlyMap<string, readonly string[]>;
}

/** One thing to do, in the order in which it is done. `why`: for the user. */
export type Step =
  | { action: 'remove node'; node: string; why: string }
  | { action: 'configure node'; node: string; settings: Record<string, string>; why: string }
  | { action: 'make image'; image: string; replaces: boolean; why: string }
  | { action: 'create node'; node: string; why: string }
  | { action: 'set image'; node: string; image: string; why: string }
  | { action: 'stop node'; node: string; why: string }
  | { action: 'boot node'; node: string; reboots: boolean; why: string }
  | { action: 'save snapshot'; node: string; snapshot: string; why: string }
  | { action: 'copy node'; node: string; from: string; why: string };

export interface LabPlan {
  steps: Step[];
  /** what is lost by it, a sentence each: the user is asked first */
  losses: string[];
}

/** What a step does, and to what, for users. */
export function stepWords(step: Step): [string, string] {
  switch (step.action) {
    case 'make image':
      return [step.replaces ? 'make image again' : step.action, step.image];
    case 'set image':
      return [step.action, `${step.node}: ${step.image}`];
    case 'boot node':
      return [step.reboots ? 'reboot node' : step.action, step.node];
    case 'save snapshot':
      return [step.action, `${step.node}@${step.snapshot}`];
    case 'copy node':
      return ['create node', `${step.node} from ${step.from}`];
    default:
      return [step.action, step.node];
  }
}

/** What has to be done so that the lab is as the file says. `prune`: nodes that the file does not name are removed. */
export function planLab(lab: Lab, facts: LabFacts, prune = false): LabPlan {
  const planner = new Planner(lab, facts);
  if (prune) planner.prune();
  planner.images();
  for (const [name, node] of lab.nodes) if (node.from === undefined) planner.node(name, node);
  for (const [name, node] of lab.nodes) if (node.from !== undefined) planner.copy(name, node, node.from);
  return planner.plan();
}

const ORDER: Step['action'][] = [
  'remove node',
  'configure node',
  'make image',
  'create node',
  'set image',
  'stop node',
  'boot node',
  'save snapshot',
  'copy node',
];

class Planner {
  readonly #lab: Lab;
  readonly #facts: LabFacts;
  readonly #steps: Step[] = [];
  readonly #losses = new Set<string>();
  /** images that will be others */
  readonly #made = new Set<string>();

  constructor(lab: Lab, facts: LabFacts) {
    this.#lab = lab;
    this.#facts = facts;
  }

  plan(): LabPlan {
    // Stable: images stay in the order in which one is built from the other.
    const steps = this.#steps.toSorted((a, b) => ORDER.indexOf(a.action) - ORDER.indexOf(b.action));
    return { steps, losses: [...this.#losses] };
  }

  prune(): void {
    const wanted = new Set([...this.#lab.nodes.keys()].map((name) => name.toLowerCase()));
    for (const { name, state } of this.#facts.nodes) {
      if (wanted.has(name.toLowerCase())) continue;
      this.#steps.push({ action: 'remove node', node: name, why: 'the file does not name it' });
      this.#lose(name, state, 'is removed');
    }
  }

  #lose(name: string, state: NodeInfo['state'], what: string): void {
    if (state !== 'off') this.#losses.add(`Node ${name} runs, and ${what}.`);
    for (const sentence of this.#facts.losses.get(name) ?? []) this.#losses.add(sentence);
  }

  /** Images that others are built from come first. */
  images(): void {
    const done = new Set<string>();
    const visit = (name: string, source: ImageSource): void => {
      if (done.has(name)) return;
      done.add(name);
      for (const base of this.#facts.recipes.get(name)?.bases ?? []) {
        const below = this.#lab.images.get(base);
        if (below) visit(base, below);
      }
      this.#image(name, source);
    };
    for (const [name, source] of this.#lab.images) visit(name, source);
  }

  #image(name: string, source: ImageSource): void {
    const there = this.#facts.images.find((image) => image.name === name);
    const why = there === undefined ? 'it is not there' : this.#whyOther(name, there, source);
    if (why === undefined) return;
    this.#made.add(name);
    this.#steps.push({ action: 'make image', image: name, replaces: there !== undefined, why });
    if (there === undefined) return;
    // What a lab file has made can be made again.
    if (there.recipe === undefined)
      this.#losses.add(`Image ${name} is replaced, with what was changed in it.`);
  }

  #whyOther(name: string, there: ImageInfo, source: ImageSource): string | undefined {
    const known = this.#facts.recipes.get(name);
    // There is nothing to compare: a default image is what its name says.
    if (known === undefined) return undefined;
    const { recipe, bases } = known;
    const base = bases.find((one) => this.#made.has(one));
    if (base !== undefined) return `it is built from ${base}, which changes`;
    if (there.recipe?.digest === recipe.digest) return undefined;
    if (source.kind === 'clone' && there.origin === source.link.replace(/:latest$/, '')) return undefined;
    if (there.recipe) return 'what it is made of has changed';
    return 'it was not made as the file says, or was changed since';
  }

  node(name: string, wanted: LabNode): void {
    const there = this.#there(name);
    if (there === undefined) {
      this.#steps.push({ action: 'create node', node: name, why: 'it is not there' });
    } else if (wanted.model !== undefined && wanted.model !== there.model) {
      const why = `its model is ${there.model}, not ${wanted.model}`;
      this.#steps.push({ action: 'remove node', node: there.name, why });
      this.#steps.push({ action: 'create node', node: name, why });
      this.#lose(name, there.state, 'is made anew');
    } else this.#change(there, wanted);
    this.#snapshots(name, wanted);
  }

  copy(name: string, wanted: LabNode, from: string): void {
    const there = this.#there(name);
    if (there === undefined)
      this.#steps.push({ action: 'copy node', node: name, from, why: 'it is not there' });
    else this.#power(there, wanted, []);
    this.#snapshots(name, wanted);
  }

  #there(name: string): NodeInfo | undefined {
    return this.#facts.nodes.find((node) => node.name.toLowerCase() === name.toLowerCase());
  }

  #change(there: NodeInfo, wanted: LabNode): void {
    const { name } = there;
    const different = this.#settings(there, wanted.settings);
    const changes = different.map(({ name: setting, from, to }) => `${setting} ${from} -> ${to}`);
    if (different.length > 0) {
      const settings = Object.fromEntries(different.map(({ name: setting, to }) => [setting, to]));
      this.#steps.push({ action: 'configure node', node: name, settings, why: changes.join(', ') });
      if (different.some(({ name: setting }) => setting === 'disks'))
        for (const sentence of this.#facts.losses.get(name) ?? []) this.#losses.add(sentence);
    }
    const image = wanted.image !== undefined && wanted.image !== there.image ? wanted.image : undefined;
    if (image !== undefined)
      this.#steps.push({ action: 'set image', node: name, image, why: `it has ${there.image}` });
    const reboots = different.filter(({ needsReboot }) => needsReboot).map(({ name: setting }) => setting);
    const isOther = image !== undefined || this.#made.has(there.image);
    this.#power(there, wanted, [...(isOther ? ['image'] : []), ...reboots]);
  }

  #settings(there: NodeInfo, wanted: NodeSettings) {
    const given = modelSettings(there.model, wanted);
    return this.#facts.settings.flatMap((info) => {
      const has = Reflect.get(there.settings, info.name) as string | number | undefined;
      // It means nothing to the node's model.
      if (has === undefined) return [];
      const from = String(has);
      const to = String(Reflect.get(given, info.name) ?? info.default);
      return isSame(info.name, from, to) ? [] : [{ ...info, from, to }];
    });
  }

  /** `changed`: what a running machine does not have yet. */
  #power(there: NodeInfo, { power }: LabNode, changed: string[]): void {
    const { name, state } = there;
    const isUp = state !== 'off' && state !== 'failed';
    if (power === 'off') {
      if (!isUp) return;
      this.#steps.push({ action: 'stop node', node: name, why: 'the file wants it off' });
      this.#losses.add(`Node ${name} runs, and is switched off.`);
      return;
    }
    const news = [...new Set([...changed, ...(there.outdated ?? [])])];
    if (isUp && news.length === 0) return;
    const why = isUp ? `for ${news.join(', ')}` : `it is ${state}`;
    this.#steps.push({ action: 'boot node', node: name, reboots: isUp, why });
    if (isUp) this.#losses.add(`Node ${name} runs, and is rebooted.`);
  }

  #snapshots(name: string, { snapshots }: LabNode): void {
    const there = this.#facts.snapshots.get(name) ?? [];
    for (const snapshot of snapshots.filter((one) => !there.includes(one)))
      this.#steps.push({ action: 'save snapshot', node: name, snapshot, why: 'it is not there' });
  }
}

/** Whether two values of a setting mean the same; a port of the host that a user leaves open is any. */
function isSame(setting: string, has: string, wanted: string): boolean {
  if (has === wanted) return true;
  if (setting === 'disks') return equal(parseDisks(has), parseDisks(wanted));
  if (setting === 'networks') return equal(parseNetworks(has), parseNetworks(wanted));
  if (setting !== 'expose') return false;
  const [now, then] = [parseExpose(has), parseExpose(wanted)];
  return (
    now.length === then.length &&
    then.every(
      ({ nodePort, hostPort }, at) =>
        now[at]?.nodePort === nodePort && [undefined, now[at]?.hostPort].includes(hostPort),
    )
  );
}

function equal(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
