// Installs code-server into .cache from npm alone: install scripts stay off (they want other downloads and another
// compiler set-up), and the few native modules that matter are built here. Needs g++, make and python3.
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import {
  codeServerVersion,
  entry,
  installFolder,
  installStamp,
  nodeBinary,
  nodeFolder,
  vscodeFolder,
} from './code-server.ts';

const passedOn = /^npm_config_(cache|registry|https?_proxy|proxy|noproxy|cafile|userconfig)$/i;

/** npm's own variables of a surrounding `npm run` would bend the installs here, save those that say where to fetch. */
function npmEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name) || passedOn.test(name)),
  );
}

function npmInstall(folder: string, ...packages: string[]): void {
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error'];
  const wanted = packages.length > 0 ? packages : ['--omit=dev'];
  execFileSync('npm', ['install', ...wanted, ...flags], {
    cwd: folder,
    env: npmEnvironment(),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** node-gyp comes with npm: beside it, or where Debian puts it. */
function nodeGyp(): string {
  const npms = (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'npm'))
    .filter((file) => existsSync(file));
  const candidates = npms.map((npm) =>
    join(realpathSync(npm), '../../node_modules/node-gyp/bin/node-gyp.js'),
  );
  const found = [...candidates, '/usr/share/nodejs/node-gyp/bin/node-gyp.js'].find((file) =>
    existsSync(file),
  );
  if (!found) throw new Error('node-gyp is not there beside npm: install npm from nodejs.org or Debian.');
  return found;
}

function buildNativeModule(name: string): void {
  const folder = join(vscodeFolder, 'node_modules', name);
  if (!existsSync(join(folder, 'binding.gyp'))) return;
  const log = openSync(join(installFolder, `build-${name.replace('/', '-')}.log`), 'w');
  try {
    execFileSync(nodeBinary, [nodeGyp(), 'rebuild', `--nodedir=${nodeFolder}`, '--loglevel=error'], {
      cwd: folder,
      env: npmEnvironment(),
      stdio: ['ignore', log, 'inherit'],
    });
  } finally {
    closeSync(log);
  }
}

/** The links that the skipped install script would have made. */
function linkHelpers(): void {
  const links = [
    ['bin/remote-cli/code-server', 'code-linux.sh'],
    ['bin/helpers/browser.sh', 'browser-linux.sh'],
    ['node_modules.asar', 'node_modules'],
  ] as const;
  for (const [name, target] of links) {
    const link = join(vscodeFolder, name);
    rmSync(link, { force: true });
    symlinkSync(target, link);
  }
}

/** Half of the folder plays no part here: AI runtimes, other platforms' binaries, source maps. */
function prune(): void {
  const modules = join(vscodeFolder, 'node_modules');
  const useless = [
    '@github/copilot',
    `@github/copilot-linux-${process.arch}`,
    `@github/copilot-sdk-linux-${process.arch}`,
    '@microsoft/mxc-sdk',
    'node-pty/third_party',
  ];
  for (const name of useless) rmSync(join(modules, name), { recursive: true, force: true });
  rmSync(join(vscodeFolder, 'extensions/copilot'), { recursive: true, force: true });
  for (const name of ['@vscode/ripgrep-universal/bin', 'node-pty/prebuilds']) {
    const folder = join(modules, name);
    for (const platform of existsSync(folder) ? readdirSync(folder) : []) {
      if (platform !== `linux-${process.arch}`)
        rmSync(join(folder, platform), { recursive: true, force: true });
    }
  }
  for (const item of readdirSync(installFolder, { recursive: true, withFileTypes: true })) {
    const waste = (item.isFile() && item.name.endsWith('.map')) || item.name === 'obj.target';
    if (waste) rmSync(join(item.parentPath, item.name), { recursive: true, force: true });
  }
}

/** Installs code-server unless it is there; `say` gets a line for each step. */
export function installCodeServer(say: (line: string) => void): void {
  if (existsSync(installStamp)) return;
  say(`installing code-server ${codeServerVersion} into .cache (once, about two minutes)`);
  rmSync(installFolder, { recursive: true, force: true });
  mkdirSync(installFolder, { recursive: true });
  writeFileSync(join(installFolder, 'package.json'), '{"private":true}\n');
  npmInstall(installFolder, `code-server@${codeServerVersion}`);
  npmInstall(vscodeFolder);
  npmInstall(join(vscodeFolder, 'extensions'));
  say('building its native modules');
  for (const name of ['@vscode/spdlog', '@vscode/native-watchdog']) buildNativeModule(name);
  linkHelpers();
  prune();
  const version = execFileSync(nodeBinary, [entry, '--config', '/dev/null', '--version'], {
    encoding: 'utf8',
  });
  writeFileSync(installStamp, version);
  say(`code-server ${version.trim()}`);
}

if (import.meta.main) installCodeServer((line) => console.log(line));
