import { BootyardError } from '../../errors.ts';
import type { Calls, Control } from './facts.ts';
import type { LabPlan, Step } from './plan.ts';
import { recipeOf } from './recipe.ts';
import type { ImageSource, Lab, LabNode } from './schema.ts';

export interface ApplyControl extends Control {
  /** of those who build and clone; that of this process by default */
  env?: NodeJS.ProcessEnv;
  /** what builders print */
  onOutput: (text: string) => void;
  /** before each step */
  onStep: (step: Step) => void;
  /** what nodes will not see of an image, and the like */
  warn: (sentence: string) => void;
}

/**
 * Does what a plan says, whose losses the user has agreed to. Each step is whole in itself and the lab alone says what is
 * left to do, so that after a kill at any moment a new plan goes on from there.
 */
export async function applyLab(client: Calls, lab: Lab, plan: LabPlan, control: ApplyControl): Promise<void> {
  const work = new LabWork(client, lab, plan.losses.length > 0, control);
  for (const step of plan.steps) {
    control.signal.throwIfAborted();
    control.onStep(step);
    await work.do(step).catch((error: unknown) => {
      if (!(error instanceof BootyardError) || error.code !== 'api.closed') throw error;
      const hint = 'What was done stays: run `bootyard lab apply` again, and it goes on from there.';
      throw new BootyardError(error.code, `${error.message} ${hint}`, error.data);
    });
  }
}

class LabWork {
  readonly #client: Calls;
  readonly #lab: Lab;
  readonly #force: boolean;
  readonly #control: ApplyControl;

  constructor(client: Calls, lab: Lab, force: boolean, control: ApplyControl) {
    this.#client = client;
    this.#lab = lab;
    this.#force = force;
    this.#control = control;
  }

  async do(step: Step): Promise<void> {
    const call = this.#client.call.bind(this.#client);
    const { signal, onProgress } = this.#control;
    const control = { signal, onProgress };
    const force = this.#force;
    switch (step.action) {
      case 'remove node':
        return void (await call('node.remove', { nodes: [step.node], force }, control));
      case 'configure node':
        return void (await call(
          'node.config',
          { nodes: [step.node], settings: step.settings, force },
          control,
        ));
      case 'make image':
        return await this.#make(step.image, step.replaces);
      case 'create node':
        return await this.#create(step.node);
      case 'set image':
        return void (await call('node.setImage', { nodes: [step.node], image: step.image }, control));
      case 'stop node':
        return void (await call('node.stop', { nodes: [step.node] }, control));
      case 'boot node':
        return await this.#boot(step.node);
      case 'save snapshot':
        onProgress({ message: `Waiting for bootup of ${step.node}` });
        await call('node.wait', { nodes: [step.node] }, control);
        return void (await call('node.snapshotSave', { node: step.node, name: step.snapshot }, control));
      case 'copy node':
        await call('node.createFrom', { name: step.node, from: step.from }, control);
        if (this.#node(step.node).power === 'off') await call('node.stop', { nodes: [step.node] }, control);
    }
  }

  #node(name: string): LabNode {
    const node = this.#lab.nodes.get(name);
    if (node) return node;
    throw new Error(`no node ${name} in the file`);
  }

  async #create(name: string): Promise<void> {
    const { image, model, settings, power } = this.#node(name);
    const params = { name, image, model, settings, powerOn: power === 'on' };
    await this.#client.call('node.create', params, this.#control);
  }

  /** What changed an image may have rebooted the node already. */
  async #boot(name: string): Promise<void> {
    const [node] = await this.#client.call('node.list', { nodes: [name] });
    const isUp = node !== undefined && node.state !== 'off' && node.state !== 'failed';
    if (isUp && node.outdated?.length === 0) return;
    await this.#client.call(isUp ? 'node.reboot' : 'node.boot', { nodes: [name] }, this.#control);
  }

  async #make(name: string, force: boolean): Promise<void> {
    const source = this.#lab.images.get(name);
    if (source === undefined) throw new Error(`no image ${name} in the file`);
    if (source.kind === 'build') return await this.#build(name, source, force);
    // What it is made of is read now: an image that it is built from may be another one since the plan.
    const recipe = (await recipeOf(source, [], { signal: this.#control.signal }))?.recipe;
    const { signal, onProgress, warn, env } = this.#control;
    const where = env === undefined ? {} : { env };
    if (source.kind === 'import') {
      const { path, labels } = source;
      const { warnings } = await this.#client.call(
        'image.import',
        { path, name, labels, force, recipe },
        { signal, onProgress },
      );
      return warnings.forEach(warn);
    }
    if (source.kind === 'clone') {
      const { cloneImage } = await import('../registries.ts');
      const { link, model } = source;
      const request = { link, name, force, recipe, ...(model === undefined ? {} : { model }) };
      const { warnings } = await cloneImage(this.#client, request, { signal, onProgress, ...where });
      return warnings.forEach(warn);
    }
    const { buildDefaultImages } = await import('../default-images.ts');
    const what = source.variant ? { variant: { name, ...source.variant } } : { names: [name] };
    await buildDefaultImages(this.#client, { ...what, force, recipe, signal, onProgress, ...where });
  }

  async #build(name: string, source: Extract<ImageSource, { kind: 'build' }>, force: boolean): Promise<void> {
    const { buildImage } = await import('../builds.ts');
    const { from, dir: subDir, file, args: buildArgs, network, node } = source;
    const request = { name, from, subDir, file, buildArgs, network, node, force };
    const { warnings } = await buildImage(this.#client, request, this.#control);
    warnings.forEach(this.#control.warn);
  }
}
