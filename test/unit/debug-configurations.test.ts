import { describe, expect, test } from 'vitest';
import {
  checked,
  KernelConfiguration,
  localProgram,
  NativeConfiguration,
  pathHere,
  pathInNode,
  programOfNode,
  sourceCommands,
  startWords,
} from '../../extension/debug/configurations.ts';
import { framed, MessageReader } from '../../extension/debug/messages.ts';

describe('launch configurations', () => {
  test('a file of the workspace is copied to below /root, where its breakpoints hold', () => {
    expect(localProgram('bootyard-python', 'vnode1', '/work/app/hello.py')).toEqual({
      type: 'bootyard-python',
      request: 'launch',
      name: 'hello.py in vnode1',
      node: 'vnode1',
      program: '/root/app/hello.py',
      copy: ['/work/app/hello.py'],
      pathMappings: [{ localRoot: '/work/app', remoteRoot: '/root/app' }],
    });
  });

  test('the source of a program in the image is the file of the workspace with most of its path', () => {
    const files = ['/w/test/main.py', '/w/src/app/main.py', '/w/other/main.py'];
    const found = programOfNode('bootyard-python', 'vnode1', '/opt/app/main.py', files);
    expect(found.pathMappings).toEqual([{ localRoot: '/w/src', remoteRoot: '/opt' }]);
    expect(found.copy).toBeUndefined();
    const none = programOfNode('bootyard-python', 'vnode1', '/opt/app/main.py', ['/w/src/other.py']);
    expect(none).not.toHaveProperty('pathMappings');
    const whole = programOfNode('bootyard-python', 'vnode1', '/a/main.py', ['/a/main.py']);
    expect(whole.pathMappings).toEqual([{ localRoot: '/', remoteRoot: '/' }]);
  });

  test('paths in the node follow the first mapping that has them', () => {
    const mappings = [
      { localRoot: '/w/src', remoteRoot: '/opt' },
      { localRoot: '/w', remoteRoot: '/root/w' },
    ];
    expect(pathInNode(mappings, '/w/src/a/b.py')).toBe('/opt/a/b.py');
    expect(pathInNode(mappings, '/w/srcs/b.py')).toBe('/root/w/srcs/b.py');
    expect(pathInNode(mappings, '/w/src')).toBe('/opt');
    expect(() => pathInNode(mappings, '/x/b.py')).toThrow('No localRoot of pathMappings has /x/b.py');
  });

  test('files of the node are on this machine where the first mapping says', () => {
    const mappings = [{ localRoot: '/w/app', remoteRoot: '/root/app' }];
    expect(pathHere(mappings, '/root/app/bin/main')).toBe('/w/app/bin/main');
    expect(pathHere(mappings, '/usr/sbin/main')).toBeUndefined();
  });

  test('a program is started with its words, whatever is in them', () => {
    const configuration = { name: 'x', node: 'vnode1', program: `/root/it's` };
    const full = { ...configuration, args: ['a b', '$HOME'], cwd: '/tmp', env: { A: 'b c' } };
    expect(startWords(checked(NativeConfiguration, full), 'gdbserver --once -')).toBe(
      `cd '/tmp' && exec env 'A=b c' gdbserver --once - '/root/it'\\''s' 'a b' '$HOME'`,
    );
    expect(() => checked(NativeConfiguration, { ...configuration, program: 'main' })).toThrow(
      'The launch configuration "x" is wrong at "program": it has to be a path in the node that begins with /.',
    );
  });

  test('gdb is told where sources are', () => {
    const mappings = [{ localRoot: '/home/me/my linux', remoteRoot: '/build/linux-6.1' }];
    expect(sourceCommands(mappings)).toEqual(['set substitute-path /build/linux-6.1 "/home/me/my linux"']);
  });

  test('one that is wrong is told of in a sentence', () => {
    const wrong = { name: 'mine', node: 'vnode1', commands: 'break main' };
    expect(() => checked(KernelConfiguration, wrong)).toThrow(
      /^The launch configuration "mine" is wrong at "commands": .*array/,
    );
    expect(checked(KernelConfiguration, { ...wrong, commands: undefined })).toEqual({
      node: 'vnode1',
      gdb: 'gdb',
      commands: [],
      pathMappings: [],
    });
  });
});

describe('messages of a debug adapter', () => {
  const messages = [{ seq: 1, text: 'täst' }, { seq: 2 }, { seq: 3, text: 'x'.repeat(5_000) }];
  const bytes = Buffer.concat(messages.map(framed));

  test.each([1, 7, 4_096, bytes.length])('are found in pieces of %d bytes', (size) => {
    const reader = new MessageReader();
    const found: unknown[] = [];
    for (let at = 0; at < bytes.length; at += size) found.push(...reader.take(bytes.subarray(at, at + size)));
    expect(found).toEqual(messages);
  });

  test.each([
    ['text', 'Traceback (most recent call last)\r\n\r\n'],
    ['a length beyond all measure', 'Content-Length: 99999999999\r\n\r\n'],
    ['a header without an end', 'x'.repeat(5_000)],
  ])('are not: %s', (_, text) => {
    expect(() => new MessageReader().take(Buffer.from(text))).toThrow('It is no debugger');
  });
});
