import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import * as vscode from 'vscode';
import * as z from 'zod';
import type { Built } from '../../backend/api/builds.ts';
import { BootyardError } from '../../backend/errors.ts';
import type { Parts } from '../features.ts';
import { imageNameFor } from '../images/image-row.ts';
import { askImageName } from '../images/image-targets.ts';
import { registerCommands } from '../ui/commands.ts';
import { confirm } from '../ui/consent.ts';
import { Builds, type WatchTarget } from './builds.ts';
import { DOCKERFILES, DockerfileLens } from './dockerfile-lens.ts';
import { askRepository, repositoryName } from './repository.ts';

/** What other extensions and key bindings may give, so that nothing is asked. */
const BuildOptions = z.object({
  name: z.string(),
  node: z.string().optional(),
  force: z.boolean().optional(),
});
const GitOptions = BuildOptions.extend({ url: z.string(), subDir: z.string().optional() });
const NAMES = 'image.build.names';
const LAST_URL = 'image.build.url';

/** Images from Dockerfiles: build, build and boot, build after each save. */
export function registerBuildCommands(parts: Parts): vscode.Disposable {
  const { connection, errors, memory, requireLab } = parts;
  const { model } = connection;
  const builds = new Builds(parts, () => lens.refresh());
  const lens: DockerfileLens = new DockerfileLens(model, builds.isWatched);

  /** Asks for the name the first time, and before nodes are rebooted that the user may not think of. */
  async function target(place: unknown, options: unknown): Promise<WatchTarget & { force: boolean }> {
    const dockerfile = await dockerfileOf(place);
    await requireLab();
    await saveAll(dockerfile);
    const given = BuildOptions.safeParse(options).data;
    const source = { dockerfile };
    if (given) return { source, ...given, force: given.force ?? false };
    const names = z.record(z.string(), z.string()).catch({}).parse(memory.get(NAMES));
    const known = names[dockerfile.fsPath];
    if (known !== undefined) return { source, name: known, force: true };
    const folder = dirname(dockerfile.fsPath);
    const name = await askImageName(model, `Build ${basename(folder)} as an image`, imageNameFor(folder));
    await confirmReboots(name);
    await memory.update(NAMES, { ...names, [dockerfile.fsPath]: name });
    return { source, name, force: true };
  }

  async function confirmReboots(name: string): Promise<void> {
    const running = model.nodes.filter(({ image, state }) => image === name && state !== 'off');
    if (running.length === 0) return;
    const sentence = `This operation would reboot ${running.length} node(s) currently using the image.`;
    await confirm('Build this image?', sentence, 'Build and Reboot');
  }

  async function build(place: unknown, options: unknown): Promise<Built> {
    const chosen = await target(place, options);
    return await builds.build(chosen, chosen.force);
  }

  async function buildGit(options: unknown): Promise<Built> {
    await requireLab();
    const given = GitOptions.safeParse(options).data;
    if (given) {
      const { url, subDir, name, node, force = false } = given;
      return await builds.build({ source: { url, subDir }, name, node }, force);
    }
    const source = await askRepository(memory.get(LAST_URL, ''));
    const name = await askImageName(
      model,
      `Build ${source.url} as an image`,
      imageNameFor(repositoryName(source)),
    );
    await confirmReboots(name);
    // What may hold a password is not kept.
    if (!source.url.includes('@')) await memory.update(LAST_URL, source.url);
    return await builds.build({ source, name }, true);
  }

  /** Nodes that use the image are rebooted, or switched on; when there are none, one is chosen. */
  async function buildAndBoot(place: unknown, options: unknown): Promise<Built> {
    const built = await build(place, options);
    const { name } = built.image;
    const users = model.nodes.filter(({ image }) => image === name);
    const off = users.filter(({ state }) => state === 'off').map((node) => node.name);
    if (off.length > 0) await connection.call('node.boot', { nodes: off });
    if (users.length > 0) return built;
    if (model.nodes.length === 0)
      await vscode.commands.executeCommand('bootyard.node.create', { image: name });
    else await vscode.commands.executeCommand('bootyard.node.bootImage', undefined, undefined, name);
    return built;
  }

  async function watch(place: unknown, options: unknown): Promise<void> {
    const chosen = await target(place, options);
    // It goes on in its terminal; the command has done its part.
    builds.watch(chosen).catch((error: unknown) => errors.report(error));
  }

  return vscode.Disposable.from(
    builds,
    lens,
    vscode.languages.registerCodeLensProvider(DOCKERFILES, lens),
    registerCommands(errors, {
      'bootyard.image.build': (place, options) => build(place, options),
      'bootyard.image.buildGit': (options) => buildGit(options),
      'bootyard.image.buildAndBoot': (place, options) => buildAndBoot(place, options),
      'bootyard.image.watchBuild': (place, options) => watch(place, options),
      'bootyard.image.stopWatchingBuild': (place) => {
        builds.stopWatching(place instanceof vscode.Uri ? place : undefined);
        return Promise.resolve();
      },
    }),
  );
}

/** A Dockerfile, the one in a folder, that of the active editor, or one that the user picks. */
async function dockerfileOf(place: unknown): Promise<vscode.Uri> {
  const active = vscode.window.activeTextEditor?.document;
  const isOpen = active !== undefined && vscode.languages.match(DOCKERFILES, active) > 0;
  const uri = place instanceof vscode.Uri ? place : isOpen ? active.uri : await pickDockerfile();
  if (uri.scheme !== 'file') {
    throw new BootyardError(
      'build.path',
      `${basename(uri.path)} is not on the lab's machine: copy it there.`,
    );
  }
  const found = await stat(uri.fsPath).catch(() => undefined);
  if (!found?.isDirectory()) return uri;
  for (const name of ['Dockerfile', 'Containerfile']) {
    const file = join(uri.fsPath, name);
    if (await stat(file).catch(() => undefined)) return vscode.Uri.file(file);
  }
  throw new BootyardError('build.noDockerfile', `There is no Dockerfile in the folder ${uri.fsPath}.`);
}

async function pickDockerfile(): Promise<vscode.Uri> {
  const [uri] =
    (await vscode.window.showOpenDialog({
      title: 'Dockerfile, or folder with one',
      openLabel: 'Build',
      canSelectFiles: true,
      canSelectFolders: true,
    })) ?? [];
  if (!uri) throw new vscode.CancellationError();
  return uri;
}

/** What is built is what is on the screen. */
async function saveAll(dockerfile: vscode.Uri): Promise<void> {
  const folder = `${dirname(dockerfile.fsPath)}/`;
  const unsaved = vscode.workspace.textDocuments.filter(
    ({ isDirty, isUntitled, uri }) => isDirty && !isUntitled && uri.fsPath.startsWith(folder),
  );
  for (const document of unsaved) await document.save();
}
