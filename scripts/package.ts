// Makes bootyard-<version>.vsix out of dist/: the extension, the daemon and the command line with the files they read,
// and node-pty with its prebuilt binary for this platform. What goes in is what is copied here, nothing else.
import { createVSIX } from '@vscode/vsce';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as z from 'zod';

const root = join(import.meta.dirname, '..');
const Manifest = z.looseObject({ version: z.string() });
/** Keys that matter in the repository alone; a manifest marked private is also meant never to be published. */
const repositoryKeys = [
  'private',
  'type',
  'scripts',
  'bin',
  'dependencies',
  'devDependencies',
  'optionalDependencies',
];

export interface PackageOptions {
  /** where the bundles are; dist/ by default */
  readonly dist?: string;
  /** where the .vsix is put; the repository's folder by default */
  readonly folder?: string;
}

/** Packages what `dist` holds at this moment and answers the .vsix. */
export async function packageExtension({
  dist = join(root, 'dist'),
  folder = root,
}: PackageOptions = {}): Promise<string> {
  const staging = join(root, '.cache/vsix');
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true });
  const { version } = stageManifest(staging);
  stageTexts(staging);
  cpSync(join(root, 'media'), join(staging, 'media'), {
    recursive: true,
    // Of webviews the bundles are staged, with the rest of dist/.
    filter: (file) => !/\.(ts|css|json)$/.test(file) && !file.endsWith('media/settings'),
  });
  cpSync(dist, join(staging, 'dist'), {
    recursive: true,
    filter: (file) => !file.endsWith('.map'),
  });
  stagePty(staging);
  writeFileSync(join(staging, '.vscodeignore'), '**/*.map\n');
  mkdirSync(folder, { recursive: true });
  const vsix = join(folder, `bootyard-${version}.vsix`);
  await createVSIX({
    cwd: staging,
    packagePath: vsix,
    dependencies: false,
    allowMissingRepository: true,
    // The README's pictures travel with it.
    rewriteRelativeLinks: false,
    // The native module and the lab itself are for this platform.
    target: `linux-${process.arch}`,
  });
  return vsix;
}

/** README and licence, with the pictures that the README shows. */
function stageTexts(staging: string): void {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const pictures = [...readme.matchAll(/\]\((docs\/[\w./-]+\.(?:png|svg))\)/g)].map(
    (match) => match[1] ?? '',
  );
  for (const name of ['README.md', 'LICENSE', ...pictures]) {
    if (existsSync(join(root, name))) cpSync(join(root, name), join(staging, name));
  }
}

function stageManifest(staging: string): z.infer<typeof Manifest> {
  const manifest = Manifest.parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
  const kept = Object.entries(manifest).filter(([key]) => !repositoryKeys.includes(key));
  const engines = z.object({ vscode: z.string() }).parse(manifest.engines);
  const staged = { ...Object.fromEntries(kept), engines };
  writeFileSync(join(staging, 'package.json'), JSON.stringify(staged, undefined, 2));
  return manifest;
}

/** Beside the bundle, where its `import` looks first. Sources for Windows and the types stay out. */
function stagePty(staging: string): void {
  for (const name of ['@lydell/node-pty', `@lydell/node-pty-linux-${process.arch}`]) {
    const source = join(root, 'node_modules', name);
    const target = join(staging, 'dist/node_modules', name);
    mkdirSync(dirname(target), { recursive: true });
    cpSync(source, target, {
      recursive: true,
      filter: (file) => !/windows|conpty|\.d\.ts$|\.md$/i.test(file),
    });
  }
}

if (import.meta.main) {
  const vsix = await packageExtension();
  console.log(`${vsix} (${Math.round(statSync(vsix).size / 1000)} kB)`);
}
