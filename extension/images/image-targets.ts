import * as vscode from 'vscode';
import type { ImageInfo } from '../../backend/api/image.ts';
import { BootyardError } from '../../backend/errors.ts';
import type { LabModel } from '../daemon/lab-model.ts';
import type { Parts } from '../features.ts';
import { bootableImages } from './image-groups.ts';
import { imageNameProblem, imageRow } from './image-row.ts';
import { FileElement, NoteElement } from './image-file-rows.ts';
import { ImageElement } from './images-tree.ts';

/** The images that a command works on: the row or rows, names, or what the user picks. */
export async function targetImages(
  model: LabModel,
  [first, all]: unknown[],
  title: string,
  valid: (image: ImageInfo) => boolean = () => true,
): Promise<ImageInfo[]> {
  if (first !== undefined) {
    const list = Array.isArray(all) && all.length > 0 ? all : [first];
    // Files may be selected together with images: nobody means their images.
    const images = list.filter((item) => !(item instanceof FileElement || item instanceof NoteElement));
    return images.map((item) => imageOf(model, item));
  }
  const offered = choices(model.images.filter(valid));
  if (offered.length === 0) throw new BootyardError('image.none', 'There is no image for that.');
  const picked = await vscode.window.showQuickPick(offered, {
    title,
    canPickMany: true,
    matchOnDescription: true,
  });
  if (!picked || picked.length === 0) throw new vscode.CancellationError();
  return picked.map((choice) => choice.image);
}

/** The one image that a command works on: the row, a name, or what the user picks. */
export async function targetImage(
  { connection }: Parts,
  [item]: unknown[],
  title: string,
  valid: (image: ImageInfo) => boolean = () => true,
): Promise<ImageInfo> {
  if (item !== undefined) return imageOf(connection.model, item);
  const offered = choices(connection.model.images.filter(valid));
  if (offered.length === 0) throw new BootyardError('image.none', 'There is no image for that.');
  const picked = await vscode.window.showQuickPick(offered, { title, matchOnDescription: true });
  if (!picked) throw new vscode.CancellationError();
  return picked.image;
}

/** Name of the image to boot: of the row, as it is given, or what the user picks; one of an engine has its link. */
export async function bootTarget(parts: Parts, [item]: unknown[], title: string): Promise<string> {
  if (item === undefined) return pickImage(parts, title);
  const name = item instanceof ImageElement ? item.name : String(item);
  const { model } = parts.connection;
  if (bootableImages(model.images, model.engines).some((image) => image.name === name)) return name;
  throw unknownImage(name);
}

function unknownImage(name: string): BootyardError {
  return new BootyardError('image.unknown', `The image "${name}" does not exist (any more).`);
}

function imageOf(model: LabModel, item: unknown): ImageInfo {
  const name = item instanceof ImageElement ? item.name : String(item);
  const image = model.image(name);
  if (!image) throw unknownImage(name);
  return image;
}

/** Asks for one image; offers to build the default ones when there is none. */
export async function pickImage({ connection }: Parts, title: string): Promise<string> {
  const { model } = connection;
  if (bootableImages(model.images, model.engines).length === 0) {
    const build = 'Build Default Images';
    const chosen = await vscode.window.showWarningMessage('There is no image to boot yet.', build);
    if (chosen !== build) throw new vscode.CancellationError();
    await vscode.commands.executeCommand('bootyard.image.buildDefault');
  }
  const offered = choices(bootableImages(model.images, model.engines));
  const [only, ...others] = offered;
  if (only && others.length === 0) return only.image.name;
  const picked = await vscode.window.showQuickPick(offered, { title, matchOnDescription: true });
  if (!picked) throw new vscode.CancellationError();
  return picked.image.name;
}

/** Asks for the name of an image that is made; says when it would replace another one. */
export async function askImageName(model: LabModel, title: string, value: string): Promise<string> {
  const name = await vscode.window.showInputBox({
    title,
    prompt: 'Name of the image',
    value,
    validateInput: (text) => imageNameProblem(text.trim()) ?? replaceWarning(model, text.trim()),
  });
  if (name === undefined) throw new vscode.CancellationError();
  return name.trim();
}

/** Asks for a name that no image has. */
export async function askNewImageName(model: LabModel, title: string, value: string): Promise<string> {
  const name = await vscode.window.showInputBox({
    title,
    prompt: 'Name of the image',
    value,
    validateInput: (text) => {
      const taken = model.image(text.trim()) ? `There is an image "${text.trim()}" already.` : undefined;
      return imageNameProblem(text.trim()) ?? taken;
    },
  });
  if (name === undefined) throw new vscode.CancellationError();
  return name.trim();
}

function replaceWarning(model: LabModel, name: string): vscode.InputBoxValidationMessage | undefined {
  if (!model.image(name)) return undefined;
  const message = `The image "${name}" is there already and will be replaced.`;
  return { message, severity: vscode.InputBoxValidationSeverity.Warning };
}

function choices(images: readonly ImageInfo[]): (vscode.QuickPickItem & { image: ImageInfo })[] {
  return images.map((image) => {
    const row = imageRow(image);
    // The only one is ticked already where several can be.
    const picked = images.length === 1;
    return { label: `$(${row.icon}) ${row.label}`, description: row.description, image, picked };
  });
}
