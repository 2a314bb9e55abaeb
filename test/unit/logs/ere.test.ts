import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { requiredText } from '../../../backend/logs/ere-text.ts';
import { compileEre } from '../../../backend/logs/ere.ts';
import { generator } from '../../support/generator.ts';

const LINES = [
  ...[
    '',
    'a',
    'b',
    'ab',
    'aab',
    'abb',
    'abc',
    'aaaa',
    'ba',
    'a b',
    ' a',
    'a\tb',
    'A',
    'Z9',
    '0',
    '42',
    'x=1',
    'x-y',
  ],
  ...[
    'a+b',
    'a*b',
    'a.b',
    'a|b',
    '(a)',
    '[a]',
    ']',
    '[',
    '^',
    '$',
    '\\',
    'a\\d',
    'd',
    '{',
    '}',
    'a{2}',
    'a{,',
    'a{1',
    'aa{2}',
  ],
  ...[
    '[    0.000000] Linux version 6.1.0',
    'usb 1-1: new device',
    'caf\u00e9',
    '\u00c9T\u00c9',
    '\u4e2d\u6587',
    '\u{1f980}!',
    '-',
    'a-z',
    '^a',
    'a^b',
    '_',
  ],
];
const PATTERNS = [
  ...[
    'a',
    'ab',
    'a.b',
    '^a',
    'b$',
    '^$',
    '^ab$',
    'a|b',
    '^(a|b)$',
    '(a)(b)',
    '()',
    'a|',
    '(|a)b',
    'a*',
    '^a*$',
    'a+b',
    'ab?c',
    '(ab)*c',
  ],
  ...[
    'a**',
    '^(a*)+$',
    '(a*)*b',
    'a{2}',
    '^a{2}$',
    'a{2,}',
    '^a{1,2}b',
    'a{,2}b',
    '^a{0}b',
    '(ab){1,2}',
    'a{2}{2}',
    'a{',
    'a{1',
    'a{,',
    'a{x}',
    'x{1',
  ],
  ...[
    '[ab]',
    '[^ab]',
    '^[^a]*$',
    '[]]',
    '[^]]',
    '[]a]',
    '[a-c]',
    '[-a]',
    '[a-]',
    '[a^]',
    '[$]',
    '[.]',
    '[*]',
    '[\\]',
    '[a\\d]',
    '[[]',
    '[[:alpha:]]',
  ],
  ...[
    '[[:digit:]]+',
    '[^[:alnum:]]',
    '[[:upper:]]',
    '[[:lower:]]',
    '[[:space:]]',
    '[[:blank:]]',
    '[[:punct:]]',
    '[[:xdigit:]]+$',
    '[[:cntrl:]]',
    '^[[:print:]]*$',
    '^[[:graph:]]+$',
  ],
  ...[
    '[[:alpha:]_-]',
    '[[=a=]]',
    '[[.a.]b]',
    '[[.-.]]',
    '[0-9a-f]+',
    '^[A-Z]',
    '\\.',
    '\\*',
    '\\+',
    '\\|',
    '\\(a\\)',
    '\\[',
    '\\]',
    '\\\\',
    '\\{',
    '\\}',
    '\\^',
    '\\$',
    '\\-',
    '\\/',
  ],
  ...[
    '^.$',
    '^..$',
    '^.{4}$',
    'caf.$',
    '\u00e9',
    '[\u00e9]',
    '[^\u00e9]$',
    '\u{1f980}',
    'a^b',
    'a$b',
    '^^a',
    'b$$',
    '(^a)',
    '(b$)',
    'x(^|a)',
    '^*',
    '}',
    ']',
    '-',
    '=',
    'new|Linux version [0-9]+\\.',
  ],
];

/** Which of the lines `grep -E` finds; undefined when it refuses the pattern. */
function grep(pattern: string, lines: readonly string[]): string[] | undefined {
  const { status, stdout } = spawnSync('grep', ['-E', '-e', pattern], {
    input: lines.map((line) => `${line}\n`).join(''),
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  });
  if (status !== 0 && status !== 1) return undefined;
  return String(stdout).split('\n').slice(0, -1);
}

test.each(PATTERNS)('%s finds what grep -E finds', (pattern) => {
  const matches = compileEre(pattern);
  expect(LINES.filter(matches)).toEqual(grep(pattern, LINES));
});

test('expressions that were put together at random find what grep -E finds', () => {
  const random = generator(20261122);
  const one = (...from: readonly string[]): string => from[random(from.length)] ?? '';
  const atom = (depth: number): string =>
    depth > 0 && random(4) === 0
      ? `(${branch(depth - 1)}|${branch(depth - 1)})`
      : one('a', 'b', 'c', '.', '[ab]', '[^a]', '[[:alpha:]]', '[b-d]', '\\.', ' ');
  const branch = (depth: number): string =>
    Array.from(
      { length: 1 + random(3) },
      () => atom(depth) + one('', '', '', '*', '+', '?', '{2}', '{1,2}'),
    ).join('');
  const lines = Array.from({ length: 60 }, () =>
    Array.from({ length: random(8) }, () => one('a', 'b', 'c', 'd', '.', ' ')).join(''),
  );
  for (let i = 0; i < 40; i++) {
    const pattern = one('', '^') + branch(2) + one('', '$');
    const found = lines.filter(compileEre(pattern));
    for (const line of found)
      expect([pattern, line]).toEqual([pattern, expect.stringContaining(requiredText(pattern) ?? '')]);
    expect([pattern, ...found]).toEqual([pattern, ...(grep(pattern, lines) ?? [])]);
  }
});

describe('what is refused', () => {
  test.each([
    ['(', "a '(' is not closed"],
    ['a)', "a ')' closes nothing"],
    ['[a', "a '[' is not closed"],
    ['[[:foo:]]', 'there is no class [:foo:]'],
    ['[[:alpha]', "a '[:' is not closed"],
    ['[z-a]', 'the range z-a is the wrong way round'],
    ['a{2,1}', 'the numbers of an interval are the wrong way round'],
    ['a{1001}', 'it repeats more than 1000 times'],
    ['*a', "there is nothing before '*' to repeat; \\* is the character"],
    ['(+a)', "there is nothing before '+' to repeat; \\+ is the character"],
    ['a|?', "there is nothing before '?' to repeat; \\? is the character"],
    ['{2}', "there is nothing before '{' to repeat; \\{ is the character"],
    ['a\\', 'it ends with a backslash'],
    ['\\d+', '\\d is not in POSIX extended regular expressions: write [0-9]'],
    ['(a)\\1', '\\1 would refer to a group, which cannot be done here'],
    ['((a{1000}){1000}){1000}', 'it is too large'],
    ['('.repeat(200), 'its groups are too deep'],
    ['a'.repeat(2001), 'it has more than 2000 characters'],
  ])('%s', (pattern, why) => {
    expect(() => compileEre(pattern)).toThrow(why);
  });
});

test('an expression that makes others try for ever answers', () => {
  const line = 'a'.repeat(20_000);
  for (const pattern of ['(a*)*b', '(a|aa)+$b', '(a+)+c', '^(([a-z])+.)+[A-Z]([a-z])+$']) {
    expect(compileEre(pattern)(line)).toBe(false);
  }
}, 10_000);

test.each([
  ['fault E[0-9]+ of disk (sda|sdb)$', ' of disk '],
  ['^abc', 'abc'],
  ['abc*def?gh{2}', 'ab'],
  ['ab+*cd', 'cd'],
  ['ab+c', undefined],
  ['a\\.b\\[c', 'a.b[c'],
  ['x[]ab]cd[[:alpha:]]e', 'cd'],
  ['x[^]]yz[[.].]]w', 'yz'],
  ['(abc|def)gh', 'gh'],
  ['(a(bc)d)ef', 'ef'],
  ['abc|def', undefined],
  ['(abc)', undefined],
  ['caf\u00e9s', 'caf'],
  ['.*', undefined],
  ['', undefined],
  ['a{bcd', 'bcd'],
  ['ab{2}12', '12'],
])('a line that %s matches has the text %s', (pattern, text) => expect(requiredText(pattern)).toBe(text));
