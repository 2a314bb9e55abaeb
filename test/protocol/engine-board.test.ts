import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { EngineBoard } from '../../backend/images/engine/board.ts';
import { build, engineOf, MODELS } from '../support/engine-images.ts';
import { TestEngine } from '../support/engines.ts';
import { until } from '../support/lab.ts';

const imagesOf = (board: EngineBoard) =>
  board.list().map(({ images }) => images.flatMap(({ names }) => names));

function follow(env: Record<string, string>): { board: EngineBoard; log: string[]; changes: () => number } {
  const log: string[] = [];
  let changes = 0;
  const board = new EngineBoard({ env, onChange: () => changes++, log: (line) => log.push(line) });
  board.start();
  onTestFinished(() => board.close());
  return { board, log, changes: () => changes };
}

describe.each(['docker', 'podman'] as const)('%s, followed', (kind) => {
  let test: TestEngine;
  beforeAll(async () => {
    test = await TestEngine[kind]();
  }, 120_000);
  afterAll(() => test?.stop());

  it('tells of images as they come and go, by events, and goes on when the engine is back', async () => {
    const { board, log } = follow(test.env);
    const engine = await engineOf(test);
    const connected = () => board.list().find(({ kind: its }) => its === kind);
    await until('connected', connected, (found) => found?.state === 'connected');
    await build(engine, 'walt/box', `FROM scratch\n${MODELS}\nADD root.tar /`);
    await build(engine, 'plain', 'FROM scratch\nADD root.tar /');
    await until(
      'an image',
      () => imagesOf(board).flat(),
      (names) => names.join() === 'walt/box',
    );
    const all = await board.listAll();
    expect(all.flatMap(({ images }) => images.flatMap(({ names }) => names))).toEqual(['plain', 'walt/box']);
    await engine.docker.getImage('walt/box').tag({ repo: 'walt/other', tag: '2' });
    await until(
      'a tag',
      () => imagesOf(board).flat(),
      (names) => names.includes('walt/other:2'),
    );
    await engine.docker.getImage('walt/box').remove();
    await until(
      'one less',
      () => imagesOf(board).flat(),
      (names) => names.join() === 'walt/other:2',
    );

    await test.kill();
    await until('gone', connected, (found) => found?.state === 'absent' && found.images.length === 0);
    await test.start();
    await until('back', connected, (found) => found?.state === 'connected' && found.images.length === 1);
    const lines = log.filter((line) => line.includes(test.socket));
    expect(lines).toHaveLength(3);
  });
});

describe('an engine that cannot be used', () => {
  const folder = mkdtempSync('/tmp/by-b-');
  afterAll(() => rmSync(folder, { recursive: true }));
  const socket = join(folder, 's');
  const env = { DOCKER_HOST: `unix://${socket}`, CONTAINER_HOST: `unix://${folder}/none` };
  const answering = (body: string) => {
    const answer = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const server = createServer((peer) => {
      peer.on('error', () => {});
      peer.once('data', () => peer.end(answer));
    });
    server.listen(socket);
    onTestFinished(() => void server.close());
  };
  const stateOf = async (state: string) => {
    const { board } = follow(env);
    const [found] = await until(
      'a state',
      () => board.list(),
      ([first]) => first?.state === state && first.reason !== null,
      5000,
    );
    return found;
  };

  it('is absent', async () => {
    expect((await stateOf('absent'))?.reason).toBe(
      `The container engine at unix://${socket} of DOCKER_HOST does not run: start it.`,
    );
  });
  it.each([
    ['Docker 19.03.8', '{"Version":"19.03.8"}', 'Docker 20.10'],
    ['Podman 3.4.4', '{"Version":"3.4.4","Components":[{"Name":"Podman Engine"}]}', 'Podman 4.0'],
  ])('is too old: %s', async (what, body, needed) => {
    answering(body);
    expect((await stateOf('tooOld'))?.reason).toBe(
      `${what} at unix://${socket} is too old: ${needed} or later is needed.`,
    );
  });
  it('is something else', async () => {
    answering('hello');
    expect((await stateOf('silent'))?.reason).toMatch(/does not answer as a container engine does\.$/);
  });
  it('does not let everybody in', async () => {
    answering('{}');
    chmodSync(socket, 0);
    // Root is let in everywhere: another user asks.
    process.seteuid?.(65534);
    try {
      expect((await stateOf('refused'))?.reason).toMatch(/does not let you in: be a member of the group/);
    } finally {
      process.seteuid?.(0);
    }
  });
  it('is out of reach', () => {
    const { board } = follow({ ...env, DOCKER_HOST: 'tcp://203.0.113.1:2375' });
    expect(board.list()[0]).toMatchObject({ state: 'unsupported' });
    expect(board.list()[0]?.reason).toContain('is reached by TCP');
  });
});
