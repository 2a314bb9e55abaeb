// Makes client/dist, the contents of the npm package `bootyard-client`: one module of backend/api/client-package.ts, and the
// declarations that its types need.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import * as z from 'zod';

const root = join(import.meta.dirname, '..');
const client = join(root, 'client');
const entry = 'backend/api/client-package';

const Manifest = z.object({ version: z.string(), dependencies: z.record(z.string(), z.string()) });
const manifestIn = (folder: string): z.infer<typeof Manifest> =>
  Manifest.parse(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')));

/** The client's manifest, which says of versions what the repository's says. */
function ownManifest(): z.infer<typeof Manifest> {
  const [own, repository] = [client, root].map(manifestIn);
  if (!own || own.version !== repository?.version) throw new Error('client/package.json: version is another');
  for (const [name, version] of Object.entries(own.dependencies)) {
    if (repository.dependencies[name] !== version) throw new Error(`client/package.json: ${name} is another`);
  }
  return own;
}

/** Bundles the module; packages of the manifest's dependencies are not put in. */
async function bundle(dist: string): Promise<void> {
  const manifest = ownManifest();
  await build({
    entryPoints: [join(root, `${entry}.ts`)],
    outfile: join(dist, 'index.js'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    external: Object.keys(manifest.dependencies).flatMap((name) => [name, `${name}/*`]),
    define: { BOOTYARD_VERSION: JSON.stringify(manifest.version) },
    logLevel: 'warning',
  });
}

/** Declarations of all that the entry imports are emitted; those that its types reach are kept. */
function declarations(types: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'bootyard-types-'));
  try {
    const compilerOptions = {
      ...{ noEmit: false, declaration: true, emitDeclarationOnly: true, noCheck: true },
      ...{ outDir: folder, rootDir: root, typeRoots: [join(root, 'node_modules/@types')] },
    };
    const config = join(folder, 'tsconfig.json');
    const base = join(root, 'tsconfig.json');
    writeFileSync(
      config,
      JSON.stringify({ extends: base, compilerOptions, include: [], files: [join(root, `${entry}.ts`)] }),
    );
    const tsc = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', config], { encoding: 'utf8' });
    if (tsc.status !== 0) throw new Error(`tsc: ${tsc.stdout}${tsc.stderr}`);
    keep(folder, types, `${entry}.d.ts`, new Set());
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function keep(from: string, to: string, file: string, kept: Set<string>): void {
  if (kept.has(file)) return;
  kept.add(file);
  const imported: string[] = [];
  const text = readFileSync(join(from, file), 'utf8').replace(
    /(['"])(\.{1,2}\/[^'"]+)\.ts\1/g,
    (_, quote: string, path: string) => {
      imported.push(join(dirname(file), `${path}.d.ts`));
      return `${quote}${path}.js${quote}`;
    },
  );
  mkdirSync(dirname(join(to, file)), { recursive: true });
  writeFileSync(join(to, file), text);
  for (const next of imported) keep(from, to, next, kept);
}

const dist = join(client, 'dist');
rmSync(dist, { recursive: true, force: true });
await bundle(dist);
declarations(join(dist, 'types'));
cpSync(join(root, 'LICENSE'), join(client, 'LICENSE'));
