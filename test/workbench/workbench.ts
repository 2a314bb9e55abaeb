import { execFileSync } from 'node:child_process';
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import {
  installExtension,
  startCodeServer,
  type CodeServer,
  type WorkbenchFolders,
} from '../../scripts/code-server.ts';

const chromiumArguments = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const settings = {
  'telemetry.telemetryLevel': 'off',
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
  'workbench.colorTheme': 'Default Dark Modern',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'security.workspace.trust.enabled': false,
  // The editor sees the tests' own servers listen, and would say so.
  'remote.otherPortsAttributes': { onAutoForward: 'silent' },
  'extensions.autoUpdate': false,
  'extensions.autoCheckUpdates': false,
  'extensions.ignoreRecommendations': true,
  'update.mode': 'none',
  'workbench.enableExperiments': false,
  'git.enabled': false,
  'chat.disableAIFeatures': true,
  'files.simpleDialog.enable': true,
  // The DOM renderer: a terminal's text can be read from the page.
  'terminal.integrated.gpuAcceleration': 'off',
};

export function launchChromium(): Promise<Browser> {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  return chromium.launch({ executablePath, headless: true, args: chromiumArguments });
}

/** A workbench of its own: folders, a code-server with the extension installed, and a page on it. */
export class Workbench {
  readonly folders: WorkbenchFolders;
  readonly workspace: string;
  /** the user's XDG_CACHE_HOME */
  readonly cache: string;
  readonly server: CodeServer;
  readonly page: Page;
  /** addresses outside this machine that the page asked for; none was answered */
  readonly strays: Set<string>;

  private constructor(
    made: Pick<Workbench, 'folders' | 'workspace' | 'cache' | 'server' | 'page' | 'strays'>,
  ) {
    this.folders = made.folders;
    this.workspace = made.workspace;
    this.cache = made.cache;
    this.server = made.server;
    this.page = made.page;
    this.strays = made.strays;
  }

  /** `folder` must be short and empty; `logs` keeps what code-server and the browser said.
   * `testDriver`: it is to run a suite in its extension host; it shows no notifications by itself then.
   * `user`: whose the workbench is, and the words that run code-server as that user. */
  static async start(
    browser: Browser,
    options: {
      folder: string;
      logs: string;
      name: string;
      vsix: string;
      env: NodeJS.ProcessEnv;
      testDriver: boolean;
      user?: { uid: number; command: string[] };
    },
  ): Promise<Workbench> {
    const { folder, logs, name, vsix, env, testDriver, user } = options;
    const folders = {
      home: join(folder, 'home'),
      userData: join(folder, 'data'),
      extensions: join(folder, 'ext'),
      log: join(logs, `${name}.server.log`),
      ...(user ? { command: user.command } : {}),
    };
    const workspace = join(folder, 'sample');
    const made = [folders.home, join(folders.userData, 'User'), folders.extensions, workspace, logs];
    for (const path of [...made, join(folder, 't')]) mkdirSync(path, { recursive: true });
    writeFileSync(join(workspace, 'notes.txt'), 'a file of the workspace\n');
    writeFileSync(join(folders.userData, 'User/settings.json'), JSON.stringify(settings));
    if (user) execFileSync('chown', ['-R', String(user.uid), folder]);
    installExtension(folders, vsix);
    const cache = env.XDG_CACHE_HOME ?? join(folder, 'cache');
    const server = await startCodeServer(folders, { env: { ...env, XDG_CACHE_HOME: cache }, testDriver });
    const strays = new Set<string>();
    const page = await openPage(browser, join(logs, `${name}.browser.log`), strays);
    return new Workbench({ folders, workspace, cache, server, page, strays });
  }

  /** The workbench's address; `payload` are VS Code's own start options. */
  address(payload: [string, string][] = []): string {
    const query = new URLSearchParams({ folder: this.workspace });
    if (payload.length > 0) query.set('payload', JSON.stringify(payload));
    return `${this.server.url}/?${query.toString()}`;
  }

  /** How the workbench names a file of this machine. */
  remote(path: string): string {
    return `vscode-remote://${new URL(this.server.url).host}${path}`;
  }

  async stop(): Promise<void> {
    await this.page.context().close();
    await this.server.stop();
  }
}

async function openPage(browser: Browser, log: string, strays: Set<string>): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await context.route(
    (url) => url.protocol.startsWith('http') && url.hostname !== '127.0.0.1',
    (route) => {
      strays.add(new URL(route.request().url()).host);
      return route.abort();
    },
  );
  const page = await context.newPage();
  const output = createWriteStream(log);
  page.on('console', (message) => output.write(`${message.type()} ${message.text()}\n`));
  page.once('close', () => output.end());
  return page;
}
