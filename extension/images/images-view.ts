import * as vscode from 'vscode';
import * as z from 'zod';
import type { Parts } from '../features.ts';
import { registerCommands } from '../ui/commands.ts';
import { ImageDecorations } from './image-decorations.ts';
import { ImageDrag } from './image-drag.ts';
import type { ImageFindings } from './image-findings.ts';
import { NoteElement } from './image-file-rows.ts';
import { type Arrangement, ORDERS } from './image-groups.ts';
import { ImageTooltips } from './image-tooltips.ts';
import { ImagesTree, type ImagesElement } from './images-tree.ts';

export interface ImagesView extends vscode.Disposable {
  readonly tree: ImagesTree;
  readonly view: vscode.TreeView<ImagesElement>;
  readonly drag: ImageDrag;
}

/** Kept with the workspace. */
const MEMORY = 'bootyard.images';
const Kept = z.object({ filter: z.string(), order: z.enum(ORDERS) });

const orders: Record<Arrangement['order'], string> = {
  name: 'Name',
  created: 'Newest first',
  size: 'Largest first',
};

/** The Images view: groups of images, with a filter and an order that the workspace keeps. */
export function registerImagesView(parts: Parts, findings: ImageFindings): ImagesView {
  const { connection, memory } = parts;
  let arrangement: Arrangement = Kept.safeParse(memory.get(MEMORY)).data ?? { filter: '', order: 'name' };
  const tree = new ImagesTree(connection, new ImageTooltips(findings), arrangement);
  const drag = new ImageDrag();
  const view = vscode.window.createTreeView('bootyard.images', {
    treeDataProvider: tree,
    dragAndDropController: drag,
    canSelectMany: true,
  });
  const tell = (): void => describe(view, tree, arrangement);
  async function set(change: Partial<Arrangement>): Promise<void> {
    arrangement = { ...arrangement, ...change };
    tree.arrange(arrangement);
    tell();
    await memory.update(MEMORY, arrangement);
    await vscode.commands.executeCommand('setContext', 'bootyard.imagesFiltered', arrangement.filter !== '');
  }
  void set({});
  const subscriptions = vscode.Disposable.from(
    tree,
    view,
    new ImageDecorations(connection),
    tree.onDidChangeTreeData(tell),
    registerCommands(parts.errors, {
      'bootyard.image.moreFiles': (note) => {
        if (note instanceof NoteElement) tree.showMore(note);
        return Promise.resolve();
      },
      'bootyard.image.filter': async (text) => set({ filter: await wantedFilter(arrangement.filter, text) }),
      'bootyard.image.clearFilter': () => set({ filter: '' }),
      'bootyard.image.sort': async (order) => set({ order: await wantedOrder(arrangement.order, order) }),
    }),
  );
  return { tree, view, drag, dispose: () => subscriptions.dispose() };
}

/** Says what is hidden, and by what. */
function describe(
  view: vscode.TreeView<ImagesElement>,
  { total: all, shown }: ImagesTree,
  { filter }: Arrangement,
): void {
  view.description = filter === '' ? undefined : `${shown} of ${all}`;
  view.message = filter !== '' && shown === 0 && all > 0 ? `No image has "${filter}".` : undefined;
}

async function wantedFilter(value: string, given: unknown): Promise<string> {
  if (typeof given === 'string') return given;
  const text = await vscode.window.showInputBox({
    title: 'Filter images',
    prompt: 'Words of names, labels, models and links; @used, @unused, @problems; empty for all images',
    value,
  });
  if (text === undefined) throw new vscode.CancellationError();
  return text.trim();
}

async function wantedOrder(current: Arrangement['order'], given: unknown): Promise<Arrangement['order']> {
  const known = Kept.shape.order.safeParse(given).data;
  if (known) return known;
  const items = ORDERS.map((order) => ({
    label: orders[order],
    ...(order === current ? { description: 'now' } : {}),
    order,
  }));
  const picked = await vscode.window.showQuickPick(items, { title: 'Sort images by' });
  if (!picked) throw new vscode.CancellationError();
  return picked.order;
}
