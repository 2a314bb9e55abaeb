import { describe, expect, test } from 'vitest';
import { checked, KernelConfiguration, sourceCommands } from '../../extension/debug/configurations.ts';

describe('launch configurations', () => {
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
