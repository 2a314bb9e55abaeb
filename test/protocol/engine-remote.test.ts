import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chooseEngine, findEngines } from '../../backend/images/engine/connect.ts';
import { fetchFromEngine } from '../../backend/images/engine/fetch.ts';
import { engineImage } from '../../backend/images/engine/images.ts';
import { ImageStore } from '../../backend/images/store.ts';
import { makeCertificates } from '../support/certificates.ts';
import { build, MODELS } from '../support/engine-images.ts';
import { TestEngine } from '../support/engines.ts';

const run = promisify(execFile);
const home = mkdtempSync('/tmp/bootyard-remote-');
const own = join(home, 'own');
const strange = join(home, 'strange');
const ADDRESS = 'tcp://127.0.0.1:2376';
let engine: TestEngine;

/** A folder as DOCKER_CERT_PATH names it. The server's certificate serves as the user's, too. */
function certificates(folder: string): void {
  mkdirSync(folder);
  const { authority, certificate, key } = makeCertificates(folder);
  copyFileSync(certificate, join(folder, 'cert.pem'));
  copyFileSync(key, join(folder, 'key.pem'));
  expect(authority).toBe(join(folder, 'ca.pem'));
}

beforeAll(async () => {
  certificates(own);
  certificates(strange);
  const tls = ['ca', 'cert', 'key'].flatMap((name) => [
    `--tls${name === 'ca' ? 'cacert' : name}`,
    `${own}/${name}.pem`,
  ]);
  engine = await TestEngine.docker('--tlsverify', ...tls, '-H', ADDRESS);
}, 60_000);
afterAll(async () => {
  await engine?.stop();
  rmSync(home, { recursive: true });
});
/** Nothing else of this machine is found. */
const env = (more: Record<string, string>): Record<string, string> => ({
  HOME: home,
  CONTAINER_HOST: `unix://${home}/none`,
  ...more,
});
const byHost = (folder: string): Record<string, string> =>
  env({ DOCKER_HOST: ADDRESS, DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: folder });
const refusal = async (more: Record<string, string>): Promise<string> =>
  chooseEngine('docker', more).then(
    ({ address }) => address,
    (error: unknown) => (error as Error).message,
  );

describe('an engine by TCP and TLS', () => {
  test('is used: an image of it comes into the store', async () => {
    const docker = await chooseEngine('docker', byHost(own));
    expect(docker).toMatchObject({ kind: 'docker', address: ADDRESS });
    await build(docker, 'me/box', `FROM scratch\nADD root.tar /\n${MODELS}`);
    const image = await engineImage(docker, 'me/box');
    const store = new ImageStore(join(home, 'store'));
    const into = join(home, 'downloads');
    const blobs = join(home, 'store/blobs/sha256');
    const known = { layers: new Set<string>(), blobs, downloads: into, compressed: into };
    if (!image) throw new Error('no such image');
    mkdirSync(into);
    await fetchFromEngine(docker, image, known, {}, (path) => store.import({ path, name: 'box' }));
    expect(store.get('box')?.id).toBe(image.id);
  });

  test('is refused with the reason, where keys are missing or of others', async () => {
    expect(await refusal(byHost(join(home, 'nowhere')))).toMatch(
      /needs a certificate that cannot be read \(ENOENT.*ca\.pem/,
    );
    expect(await refusal(byHost(strange))).toMatch(/cannot be spoken with \(.*(certificate|signature)/);
    const mixed = join(home, 'mixed');
    mkdirSync(mixed);
    for (const [from, name] of [
      [own, 'ca'],
      [strange, 'cert'],
      [strange, 'key'],
    ] as const) {
      copyFileSync(join(from, `${name}.pem`), join(mixed, `${name}.pem`));
    }
    expect(await refusal(byHost(mixed))).toMatch(/cannot be spoken with \(.*certificate/);
    rmSync(join(mixed, 'key.pem'));
    expect(await refusal(byHost(mixed))).toMatch(
      /needs a certificate that cannot be read \(ENOENT.*key\.pem/,
    );
    const plain = env({ DOCKER_HOST: ADDRESS });
    expect(await refusal(plain)).toMatch(/^The container engine at tcp:.* of DOCKER_HOST /);
  });
});

describe('an engine by a context of the Docker command line', () => {
  const config = join(home, 'config');
  const more = env({ DOCKER_CONFIG: config });
  const docker = (...args: string[]) =>
    run('/usr/bin/docker', ['context', ...args], { env: { PATH: process.env.PATH, ...more } });

  test('is the one in use, or that of DOCKER_CONTEXT; DOCKER_HOST goes before both', async () => {
    const keys = `cert=${own}/cert.pem,key=${own}/key.pem`;
    await docker('create', 'far', '--docker', `host=${ADDRESS},ca=${own}/ca.pem,${keys}`);
    await docker('create', 'careless', '--docker', `host=${ADDRESS},skip-tls-verify=true,${keys}`);
    await docker('create', 'worried', '--docker', `host=${ADDRESS},${keys}`);
    await docker('create', 'bare', '--docker', `host=${ADDRESS},skip-tls-verify=true`);
    await docker('create', 'near', '--docker', `host=unix://${engine.socket}`);
    expect((await findEngines(more)).engines).toEqual([]);
    await docker('use', 'far');
    expect((await findEngines(more)).engines).toMatchObject([{ name: 'docker', address: ADDRESS }]);
    expect(await refusal({ ...more, DOCKER_CONTEXT: 'careless' })).toBe(ADDRESS);
    expect(await refusal({ ...more, DOCKER_CONTEXT: 'near' })).toBe(`unix://${engine.socket}`);
    expect(await refusal({ ...more, DOCKER_HOST: `unix://${engine.socket}` })).toBe(
      `unix://${engine.socket}`,
    );
    // Nobody whom this machine trusts vouches for the engine.
    expect(await refusal({ ...more, DOCKER_CONTEXT: 'worried' })).toMatch(
      /of the Docker context 'worried' cannot be spoken with \(.*(certificate|signature)/,
    );
    // The engine wants to know who speaks with it, in TLS.
    expect(await refusal({ ...more, DOCKER_CONTEXT: 'bare' })).toMatch(/cannot be spoken with \(.*alert/);
    expect(await refusal({ ...more, DOCKER_CONTEXT: 'gone' })).toMatch(
      /the Docker context 'gone' has no description/,
    );
  });
});

test('the socket of a rootless Docker is found', async () => {
  const folder = join(home, 'run');
  mkdirSync(folder);
  symlinkSync(engine.socket, join(folder, 'docker.sock'));
  const { engines } = await findEngines(env({ XDG_RUNTIME_DIR: folder }));
  expect(engines).toMatchObject([{ name: 'docker', address: `unix://${folder}/docker.sock` }]);
});
