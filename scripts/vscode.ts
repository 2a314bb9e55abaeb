// `npm run vscode`: a real VS Code workbench in the browser, with the extension installed and the lab running.
// Ctrl+C ends the workbench; the lab goes on (`bin/bootyard lab stop` ends it).
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import {
  installExtension,
  root,
  startCodeServer,
  type CodeServer,
  type WorkbenchFolders,
} from './code-server.ts';
import { installCodeServer } from './install-code-server.ts';
import { packageExtension } from './package.ts';

const folder = join(root, '.cache/vscode');
const say = (line: string): void => console.log(line);

/** Kept between runs, so that the workbench opens as it was left. The home is the user's: the lab is, too. */
function workbenchFolders(): WorkbenchFolders {
  const folders = {
    home: homedir(),
    userData: join(folder, 'data'),
    extensions: join(folder, 'extensions'),
    log: join(folder, 'server.log'),
  };
  for (const made of [join(folders.userData, 'User'), folders.extensions])
    mkdirSync(made, { recursive: true });
  writeFileSync(folders.log, '');
  const settings = join(folders.userData, 'User/settings.json');
  if (!existsSync(settings)) {
    const first = {
      'workbench.startupEditor': 'none',
      'telemetry.telemetryLevel': 'off',
      'extensions.autoCheckUpdates': false,
    };
    writeFileSync(settings, JSON.stringify(first, undefined, 2));
  }
  return folders;
}

function sampleFolder(): string {
  const sample = join(folder, 'sample');
  mkdirSync(sample, { recursive: true });
  const readme = join(sample, 'README.md');
  const text =
    '# Boot your first node\n\nOpen **Bootyard** in the activity bar on the left, then *Create Node*.\nWhen its row says that it is booted, the terminal icon beside its name opens a root shell in it.\n';
  if (!existsSync(readme)) writeFileSync(readme, text);
  return sample;
}

function startLab(): void {
  const { status, error } = spawnSync(process.execPath, [join(root, 'dist/cli.cjs'), 'lab', 'start'], {
    stdio: 'inherit',
  });
  if (error) throw error;
  // The workbench still shows what is wrong, and its doctor how to put it right.
  if (status !== 0) say('The lab did not start; the Bootyard view in the workbench says more.');
}

function openBrowser(url: string): void {
  const desktop = process.env.DISPLAY || process.env.WAYLAND_DISPLAY;
  if (!desktop) return;
  const child = spawn('xdg-open', [url], { detached: true, stdio: 'ignore' });
  child.once('error', () => undefined); // the address is on the screen
  child.unref();
}

/** The usual port, or any when that is taken. */
async function startServer(folders: WorkbenchFolders): Promise<CodeServer> {
  try {
    return await startCodeServer(folders, { port: 8152 });
  } catch {
    return startCodeServer(folders);
  }
}

installCodeServer(say);
const folders = workbenchFolders();
say('packaging and installing the extension');
installExtension(folders, await packageExtension({ folder }));
startLab();
const server = await startServer(folders);
const url = `${server.url}/?${new URLSearchParams({ folder: sampleFolder() }).toString()}`;
say(`\nVS Code with Bootyard: ${url}\nCtrl+C ends it.`);
openBrowser(url);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.stop());
await server.ended;
