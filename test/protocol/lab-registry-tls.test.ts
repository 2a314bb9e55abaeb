import { execFile, execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Certificate, registryCertificate } from '../../backend/agent/certificate.ts';
import { TestEngine } from '../support/engines.ts';
import { LabRegistry } from '../support/lab-registry.ts';
import { skopeoRun as skopeo } from '../support/registry.ts';

const run = promisify(execFile);
const PORT = 5900;
const PLACE = `registry.walt:${PORT}`;
/** Docker trusts 127.0.0.0/8 without a certificate. */
const ADDRESS = '192.168.152.1';
const keys = mkdtempSync('/tmp/bootyard-tls-');
const asked: string[] = [];
let tls: Certificate;
let lab: LabRegistry;
beforeAll(async () => {
  tls = registryCertificate(keys, ['registry.walt', ADDRESS, 'localhost']);
  const mayPush = (client: string): boolean => asked.push(client) > 0;
  lab = await LabRegistry.start({ tls, address: '0.0.0.0', port: PORT, mayPush });
  await lab.image('box', 3_000_000);
});
afterAll(async () => {
  await lab?.end();
  rmSync(keys, { recursive: true });
});

test('the certificate is for its names only, and stays', () => {
  const certificate = new X509Certificate(tls.cert);
  expect(certificate.subjectAltName).toBe('DNS:registry.walt, IP Address:192.168.152.1, DNS:localhost');
  expect([certificate.ca, certificate.verify(certificate.publicKey)]).toEqual([false, true]);
  expect(statSync(join(keys, 'registry.key')).mode & 0o777).toBe(0o600);
  expect(registryCertificate(keys, ['other'])).toEqual(tls);
  const said = execFileSync('openssl', [
    'x509',
    '-in',
    join(keys, 'registry.crt'),
    '-noout',
    '-text',
    '-dates',
  ]);
  expect(said.toString()).toMatch(
    /Version: 3 .*CN = registry\.walt.*CA:FALSE.*notBefore=Jan +1 00:00:00 1970/s,
  );
  const verify = [
    'verify',
    '-x509_strict',
    '-CAfile',
    join(keys, 'registry.crt'),
    join(keys, 'registry.crt'),
  ];
  expect(execFileSync('openssl', verify).toString()).toContain('OK');
});

/** An open connection after its handshake. */
const secureSocket = (): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const options = { port: PORT, host: '127.0.0.1', ca: tls.cert, servername: 'registry.walt' };
    const socket = connectTls(options, () => resolve(socket)).once('error', reject);
  });

describe('one port', () => {
  test('serves with TLS and without, on connections that are kept', async () => {
    expect((await lab.fetch('')).status).toBe(200);
    const socket = await secureSocket();
    let text = '';
    socket.on('data', (chunk) => (text += String(chunk)));
    for (let n = 1; n <= 3; n++) {
      socket.write('GET /v2/box/tags/list HTTP/1.1\r\n\r\n');
      while (text.split('"latest"').length <= n) await delay(5);
    }
    socket.destroy();
    const refused = (): Promise<unknown> =>
      new Promise((resolve) => get(`https://127.0.0.1:${PORT}/v2/`, resolve).on('error', resolve));
    expect(await refused()).toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  });

  test('ends connections of a client that is off, and those that never say what they want', async () => {
    const socket = await secureSocket();
    const ended = new Promise((resolve) => socket.once('error', resolve).once('close', resolve));
    lab.drop('127.0.0.1');
    await ended;
    const noise = [Buffer.from('\x16\x03\x01\x02\x00garbage'), Buffer.from('\x16'), Buffer.alloc(0)];
    const silent = noise.map((bytes) => {
      const raw = connect(PORT, '127.0.0.1');
      raw.write(bytes);
      return new Promise((resolve) => raw.on('error', () => {}).once('close', resolve));
    });
    // Neither does a head without end outlast the limit, in TLS.
    const slow = await secureSocket();
    slow.write('GET /v2/ HTTP/1.1\r\n');
    slow.resume();
    await Promise.all([
      ...silent,
      new Promise((resolve) => slow.on('error', () => {}).once('close', resolve)),
    ]);
    expect((await lab.fetch('')).status).toBe(200);
  }, 30_000);
});

describe('engines that find the certificate where nodes have it', () => {
  // The namespace of these tests has a mount table of its own.
  let engine: TestEngine;
  beforeAll(async () => {
    const hosts = join(keys, 'hosts');
    writeFileSync(hosts, `${readFileSync('/etc/hosts', 'utf8')}\n${ADDRESS} registry.walt\n`);
    execFileSync('mount', ['--bind', hosts, '/etc/hosts']);
    // Other tests of the namespace may have left it.
    execFileSync('ip', ['address', 'replace', ADDRESS, 'dev', 'lo']);
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', '/etc/docker']);
    engine = await TestEngine.docker();
  }, 60_000);
  afterAll(async () => {
    await engine?.stop();
    for (const place of ['/etc/docker', '/etc/hosts']) execFileSync('umount', [place]);
  });
  const trust = (): void => {
    mkdirSync(`/etc/docker/certs.d/${PLACE}`, { recursive: true });
    writeFileSync(`/etc/docker/certs.d/${PLACE}/ca.crt`, tls.cert);
  };
  const docker = (...args: string[]): Promise<{ stdout: string }> =>
    run('/usr/bin/docker', args, { env: { ...process.env, ...engine.env, DOCKER_CONFIG: keys } });

  test('pull and push, and are refused without it', async () => {
    const target = `dir:${join(keys, 'out')}`;
    await expect(skopeo('copy', `docker://${PLACE}/box`, target)).rejects.toThrow(/x509: certificate/);
    await expect(docker('pull', `${PLACE}/box`)).rejects.toThrow(/x509: certificate/);
    trust();
    await skopeo('copy', `docker://${PLACE}/box`, target);
    const id = lab.store.get('box')?.id;
    await docker('pull', `${PLACE}/box`);
    const inspected = await docker('image', 'inspect', '--format', '{{.Id}}', `${PLACE}/box`);
    expect(inspected.stdout.trim()).toBe(`sha256:${id}`);
    const containerd = join(engine.folder, 'exec/containerd/containerd.sock');
    await run('ctr', [
      '-a',
      containerd,
      'images',
      'pull',
      '--hosts-dir',
      '/etc/docker/certs.d',
      `${PLACE}/box:latest`,
    ]);
    await docker('tag', `${PLACE}/box`, `${PLACE}/me/again`);
    await docker('push', `${PLACE}/me/again`);
    expect(lab.store.get('me/again')?.id).toBe(id);
    expect(new Set(asked)).toEqual(new Set([ADDRESS]));
  }, 60_000);
});
