import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { contextTar, SENT_DOCKERFILE, sourceIn } from '../../../backend/images/build/context.ts';
import { fetchRepository, parseGitUrl } from '../../../backend/images/build/git.ts';

let folder: string;

beforeEach(() => {
  folder = realpathSync(mkdtempSync('/tmp/bootyard-context-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function put(path: string, content = path): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
}

async function tar(place = folder): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of contextTar(place, 'FROM x\n')) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function serve(answer: RequestListener): Promise<Server> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function urlOf(server: Server): string {
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
}

/** What GNU tar reads of it. */
async function listed(): Promise<string[]> {
  const text = execFileSync('tar', ['-tf', '-'], { input: await tar(), encoding: 'utf8' });
  return text.trim().split('\n').sort();
}
async function contentOf(path: string): Promise<string> {
  return execFileSync('tar', ['-xOf', '-', path], { input: await tar(), encoding: 'utf8' });
}

describe('the context of a build', () => {
  it('has the folder and the Dockerfile as it is sent, owned by root', async () => {
    put('Dockerfile', 'FROM mine\n');
    put('deep/er/file', 'x'.repeat(700_000));
    mkdirSync(join(folder, 'empty'));
    symlinkSync('deep/er', join(folder, 'link'));
    expect(await listed()).toEqual(
      [
        '.dockerignore',
        SENT_DOCKERFILE,
        'Dockerfile',
        'deep/',
        'deep/er/',
        'deep/er/file',
        'empty/',
        'link',
      ].sort(),
    );
    expect(await contentOf(SENT_DOCKERFILE)).toBe('FROM x\n');
    expect(await contentOf('Dockerfile')).toBe('FROM mine\n');
    expect((await contentOf('deep/er/file')).length).toBe(700_000);
    expect(await contentOf('.dockerignore')).toBe(`\n.dockerignore\n${SENT_DOCKERFILE}\n`);
    const owners = execFileSync('tar', ['--numeric-owner', '-tvf', '-'], {
      input: await tar(),
      encoding: 'utf8',
    });
    expect(owners.split('\n').filter((line) => line !== '' && !line.includes(' 0/0 '))).toEqual([]);
  });

  it('leaves out what .dockerignore names, but for its exceptions', async () => {
    put('.dockerignore', '# no\n*.log\nnode_modules\n!node_modules/kept\n**/secret\n');
    for (const path of ['a.log', 'b', 'node_modules/x', 'node_modules/kept/y', 'deep/secret', 'deep/told'])
      put(path);
    const paths = await listed();
    expect(paths).toContain('node_modules/kept/y');
    expect(paths).toContain('deep/told');
    for (const path of ['a.log', 'node_modules/x', 'deep/secret']) expect(paths).not.toContain(path);
    expect(await contentOf('.dockerignore')).toMatch(/^# no\n[^]*secret\n\n\.bootyard\.Dockerfile\n$/);
  });
});

describe('the source of a build', () => {
  it('is a folder with a Dockerfile, below another one', async () => {
    put('sub/Dockerfile');
    put('other/My.file');
    expect(await sourceIn(folder, { subDir: 'sub' })).toEqual({
      folder: join(folder, 'sub'),
      dockerfile: join(folder, 'sub/Dockerfile'),
    });
    expect(await sourceIn(folder, { file: 'other/My.file' })).toMatchObject({ folder });
  });

  it.each([
    [{ subDir: '../' }, 'build.subDir'],
    [{ subDir: 'out' }, 'build.subDir'],
    [{ subDir: '/etc' }, 'build.noFolder'],
    [{ subDir: 'none' }, 'build.noFolder'],
    [{}, 'build.noDockerfile'],
    [{ file: 'sub' }, 'build.noDockerfile'],
    [{ file: 'out/passwd', isForeign: true }, 'build.subDir'],
  ])('refuses %j', async (place, code) => {
    mkdirSync(join(folder, 'sub'));
    symlinkSync('/etc', join(folder, 'out'));
    await expect(sourceIn(folder, place)).rejects.toMatchObject({ code });
  });
});

describe('a repository', () => {
  const quiet = { signal: new AbortController().signal, onOutput: () => undefined };
  const git = (...args: string[]): string =>
    execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x@x', '-C', folder, ...args], {
      encoding: 'utf8',
    });

  beforeEach(() => {
    git('init', '-q', '-b', 'main');
    put('Dockerfile', 'FROM one\n');
    git('add', '.');
    git('commit', '-qm', 'one');
    git('branch', 'old');
    put('Dockerfile', 'FROM two\n');
    git('commit', '-qam', 'two');
  });

  it.each([
    ['', 'FROM two\n'],
    ['#old', 'FROM one\n'],
  ])('is fetched at its branch%s', async (reference, content) => {
    const target = mkdtempSync('/tmp/bootyard-git-');
    try {
      await fetchRepository(parseGitUrl(`file://${folder}${reference}`), target, quiet);
      expect(execFileSync('cat', [join(target, 'Dockerfile')], { encoding: 'utf8' })).toBe(content);
    } finally {
      rmSync(target, { recursive: true });
    }
  });

  it('that is not there, or names a program, is said in a sentence', async () => {
    const target = mkdtempSync('/tmp/bootyard-git-');
    try {
      await expect(fetchRepository(parseGitUrl(`file://${folder}#none`), target, quiet)).rejects.toThrow(
        /^file:\/\/\S+ cannot be fetched: .*none\.$/,
      );
      await expect(fetchRepository(parseGitUrl('ext::touch$IFS/tmp/x'), target, quiet)).rejects.toThrow(
        /cannot be fetched: .*transport 'ext' not allowed/,
      );
    } finally {
      rmSync(target, { recursive: true });
    }
  });

  it('gets the password of its URL, which nobody else gets or sees', async () => {
    const asked: (string | undefined)[] = [];
    const elsewhere = await serve((request, response) => {
      asked.push(`elsewhere: ${request.headers.authorization}`);
      response.writeHead(404).end();
    });
    const server = await serve((request, response) => {
      asked.push(request.headers.authorization);
      response.writeHead(302, { location: `${urlOf(elsewhere)}${request.url}` }).end();
    });
    const said: string[] = [];
    try {
      const url = parseGitUrl(urlOf(server).replace('//', '//me:p%40ss@'));
      const fetched = fetchRepository(url, folder, { ...quiet, onOutput: (text) => said.push(text) });
      await expect(fetched).rejects.toThrow(/^http:\/\/127\.0\.0\.1:\d+\/ cannot be fetched: /);
      expect(asked).toEqual([`Basic ${btoa('me:p@ss')}`, 'elsewhere: undefined']);
      expect(`${said.join('')}${url.url}`).not.toMatch(/p(%40|@)ss/);
    } finally {
      for (const each of [server, elsewhere]) each.close();
    }
  });

  it.each(['--upload-pack=touch', '', 'https://a b', 'http://', 'x#-f', 'x#y#z'])('%j is no URL', (text) => {
    expect(() => parseGitUrl(text)).toThrow(/is no URL of a git repository/);
  });

  it('needs git, and says so', async () => {
    const { PATH } = process.env;
    process.env.PATH = '/nowhere';
    try {
      await expect(fetchRepository(parseGitUrl('file:///x'), folder, quiet)).rejects.toMatchObject({
        code: 'build.noGit',
      });
    } finally {
      process.env.PATH = PATH;
    }
  });
});
