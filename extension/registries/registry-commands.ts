import { userInfo } from 'node:os';
import * as vscode from 'vscode';
import { type Registry, registries } from '../../backend/api/registry-list.ts';
import type * as Registries from '../../backend/api/registries.ts';
import type { Cloned, FoundImage, Published, RegistryOptions } from '../../backend/api/registries.ts';
import { BootyardError } from '../../backend/errors.ts';
import { labEnvironment } from '../daemon/lab-access.ts';
import type { Parts } from '../features.ts';
import { ImageElement } from '../images/images-tree.ts';
import { targetImages } from '../images/image-targets.ts';
import { said } from '../ui/said.ts';
import { registerCommands } from '../ui/commands.ts';
import { withConsent } from '../ui/consent.ts';
import { type Task, withProgress } from '../ui/progress.ts';
import { credentialsOf, SecretLogins } from './secret-logins.ts';

type Api = typeof Registries;

/** Images from and to registries. Transfers run in this process, with logins of the editor or of Docker. */
export function registerRegistryCommands(
  parts: Parts,
  context: Pick<vscode.ExtensionContext, 'secrets' | 'globalState'>,
): vscode.Disposable {
  const commands = new RegistryCommands(parts, new SecretLogins(context));
  return registerCommands(parts.errors, {
    'bootyard.image.registryLogin': (label) => commands.login(label),
    'bootyard.image.registryLogout': () => commands.logout(),
    'bootyard.image.clone': (link) => commands.offeringLogin(() => commands.clone(link)),
    'bootyard.image.publish': (...args) => commands.offeringLogin(() => commands.publish(args)),
  });
}

class RegistryCommands {
  readonly #parts: Parts;
  readonly #logins: SecretLogins;

  constructor(parts: Parts, logins: SecretLogins) {
    this.#parts = parts;
    this.#logins = logins;
  }

  /** Keeps a login that the registry takes; another one is refused. */
  async login(given: unknown): Promise<void> {
    const registry = await pickRegistry(
      'Log in to which registry?',
      typeof given === 'string' ? given : undefined,
    );
    const title = `Log in to ${registry.label}`;
    const host = hostOf(registry);
    const known = (await this.#logins.get(host))?.username ?? '';
    const username = (await ask({ title, prompt: 'User', value: known })).trim();
    const password = await ask({ title, prompt: `Password or token of ${username}`, password: true });
    const login = { username, password };
    const { checkLogin } = await api();
    await withProgress(title, ({ signal }) =>
      checkLogin(registry, {
        signal,
        env: labEnvironment(),
        credentials: () => Promise.resolve(credentialsOf(login)),
      }),
    );
    await this.#logins.set(host, login);
    said(`Logged in to ${registry.label} as ${username}`);
  }

  async logout(): Promise<void> {
    const hosts = this.#logins.hosts();
    if (hosts.length === 0)
      throw new BootyardError('registry.noLogin', 'This editor keeps no login of a registry.');
    const host = await vscode.window.showQuickPick(hosts, { title: 'Log out of which registry?' });
    if (host === undefined) throw new vscode.CancellationError();
    await this.#logins.remove(host);
    said(`Logged out of ${host}`);
  }

  async clone(given: unknown): Promise<Cloned | undefined> {
    const lab = await this.#parts.requireLab();
    const title = 'Clone an image';
    const asked =
      typeof given === 'string'
        ? given
        : given instanceof ImageElement
          ? given.name
          : await ask({ title, prompt: 'Link of an image, or part of its name' }, true);
    const link = isLink(asked) ? asked : await this.#search(asked.trim());
    const { cloneImage } = await api();
    const consent = { code: 'image.exists', question: 'Replace the image?', agree: 'Replace' };
    const cloned = await withConsent(consent, (force) =>
      withProgress(`Cloning ${link}`, async (task) =>
        cloneImage(lab, { link, force }, await this.#options(task)),
      ),
    );
    for (const warning of cloned.warnings) void vscode.window.showWarningMessage(warning);
    said(`Image ${cloned.image.name} cloned`);
    return cloned;
  }

  async #search(keyword: string): Promise<string> {
    const { searchImages } = await api();
    const warnings: string[] = [];
    const found = await withProgress('Searching registries', async (task) =>
      searchImages(keyword, {
        ...(await this.#options(task)),
        warn: (sentence) => {
          warnings.push(sentence);
          this.#parts.log.warn(sentence);
        },
      }),
    );
    if (found.length === 0) {
      const also = warnings.length === 0 ? '' : ` (${warnings.join(' ')})`;
      throw new BootyardError('registry.nothing', `Sorry, no image could match your request.${also}`);
    }
    const picked = await vscode.window.showQuickPick(found.map(foundItem), {
      title: 'Clone which image?',
      matchOnDescription: true,
      matchOnDetail: true,
    });
    if (!picked) throw new vscode.CancellationError();
    return picked.link;
  }

  async publish(args: unknown[]): Promise<Published> {
    const lab = await this.#parts.requireLab();
    const [image] = await targetImages(
      this.#parts.connection.model,
      args.slice(0, 1),
      'Publish which image?',
    );
    if (!image) throw new vscode.CancellationError();
    const registry = await pickRegistry(`Publish ${image.name} to which registry?`);
    const user = (await this.#logins.get(hostOf(registry)))?.username ?? userInfo().username;
    const as = await ask({
      title: `Publish ${image.name} to ${registry.label}`,
      prompt: '<user>/<name>[:<tag>] there',
      value: image.name.includes('/') ? image.name : `${user.toLowerCase()}/${image.name}`,
    });
    const { publishImage } = await api();
    const published = await withProgress(`Publishing ${image.name}`, async (task) =>
      publishImage(
        lab,
        { image: image.name, registry: registry.label, as: as.trim() },
        await this.#options(task),
      ),
    );
    said(`Image ${image.name} published as ${published.link}`);
    return published;
  }

  async #options({ signal, onProgress }: Task): Promise<RegistryOptions> {
    const { dockerCredentials } = await api();
    const env = labEnvironment();
    return { signal, onProgress, env, credentials: this.#logins.source(dockerCredentials(env)) };
  }

  /** A login that is missing or refused can be given at once. */
  async offeringLogin<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof BootyardError) || error.code !== 'registry.denied') throw error;
      const label = typeof error.data['registry'] === 'string' ? error.data['registry'] : undefined;
      const login = (): Thenable<unknown> =>
        vscode.commands.executeCommand('bootyard.image.registryLogin', label);
      this.#parts.errors.report(error, { title: 'Log In', run: login });
      throw new vscode.CancellationError();
    }
  }
}

/** The HTTP client is loaded when it is needed. */
function api(): Promise<Api> {
  return import('../../backend/api/registries.ts');
}

function hostOf({ url }: Registry): string {
  return new URL(url).host;
}

function isLink(text: string): boolean {
  return /^(?:(?:docker|podman)(?:-\d+)?:\S+|[a-z0-9-]+:[^/:\s]+\/[^/\s]+)$/.test(text.trim());
}

async function ask(options: vscode.InputBoxOptions, mayBeEmpty = false): Promise<string> {
  const text = await vscode.window.showInputBox({
    ignoreFocusOut: true,
    ...options,
    validateInput: (value) => (mayBeEmpty || value.trim() !== '' ? undefined : 'Something is needed here.'),
  });
  if (text === undefined) throw new vscode.CancellationError();
  return text;
}

async function pickRegistry(title: string, label?: string): Promise<Registry> {
  const list = registries(labEnvironment());
  if (label !== undefined) return list.get(label);
  const items = list
    .list()
    .map((registry) => ({ label: registry.label, description: registry.url, registry }));
  const [only, ...others] = items;
  if (only && others.length === 0) return only.registry;
  const picked = await vscode.window.showQuickPick(items, { title });
  if (!picked) throw new vscode.CancellationError();
  return picked.registry;
}

function foundItem({
  user,
  name,
  location,
  models,
  link,
}: FoundImage): vscode.QuickPickItem & { link: string } {
  return { label: `${user}/${name}`, description: location, detail: models.join(', '), link };
}
