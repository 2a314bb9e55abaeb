import type { z } from 'zod';
import { NodeSettings } from '../../nodes/settings.ts';
import { settingProblems } from '../../nodes/setting-info.ts';
import type { Path, Problem, YamlText } from '../yaml-file.ts';
import { ImageEntry, LabFile, NetworkEntry, NodeEntry } from './schema.ts';

type Issue = z.core.$ZodIssue;

/** The issues of a check as sentences with their places. */
export function problemsOf(issues: readonly Issue[], yaml: YamlText): Problem[] {
  return issues.flatMap((issue) => issueProblems(issue, [], yaml));
}

function issueProblems(issue: Issue, above: Path, yaml: YamlText): Problem[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'invalid_union') {
    // The kind of the value says which of them was meant.
    const meant = issue.errors.find((one) => !one.some(isOtherKind));
    if (meant) return meant.flatMap((inner) => issueProblems(inner, path, yaml));
  }
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      message: unknownSentence(key, path),
      ...yaml.at([...path, key], true),
    }));
  }
  return [{ message: sentence(issue, path, valueAt(yaml.value, path)), ...yaml.at(path) }];
}

function isOtherKind(issue: Issue): boolean {
  return issue.path.length === 0 && ['invalid_type', 'invalid_value'].includes(issue.code);
}

function sentence(issue: Issue, path: Path, value: unknown): string {
  const [, , part, setting] = path.map(String);
  if (path[0] === 'nodes' && part === 'settings' && setting !== undefined && typeof value === 'string') {
    return settingProblems({ [setting]: value })[setting] ?? issue.message;
  }
  const name = path.length === 0 ? 'A lab file' : `'${path.map(String).join('.')}'`;
  if (issue.code === 'invalid_type')
    return `${name} takes ${KINDS[issue.expected] ?? issue.expected}, not ${kindOf(value)}.`;
  if (issue.code === 'invalid_union')
    return `${name} takes text, or names with values below it, not ${kindOf(value)}.`;
  if (issue.code === 'invalid_value') {
    const takes = issue.message.startsWith('Invalid') ? issue.values.map(String).join(' or ') : issue.message;
    return `${name} takes ${takes}, not ${kindOf(value)}.`;
  }
  if (issue.code === 'too_small') return `${name} may not be empty.`;
  return `${name} takes ${issue.message}, not ${kindOf(value)}.`;
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  object: 'names with values, each on a line below it',
  record: 'names with values, each on a line below it',
  array: 'a list',
};

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (typeof value === 'string') return `'${value.slice(0, 80)}'`;
  return Array.isArray(value) ? 'a list' : 'names with values';
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (found, step) => (typeof found === 'object' && found !== null ? Reflect.get(found, step) : undefined),
    value,
  );
}

function unknownSentence(key: string, path: Path): string {
  const { name, keys } = containerOf(path);
  const near = keys.find((known) => isNear(known, key.toLowerCase()));
  const hint = near === undefined ? `there is ${keys.join(', ')}` : `did you mean '${near}'?`;
  return `${name} has no '${key.slice(0, 80)}': ${hint}${near === undefined ? '.' : ''}`;
}

/** What may stand where: names for sentences, and the keys. */
export function containerOf(path: Path): { name: string; keys: string[] } {
  const [noun, , part] = path.map(String);
  if (noun === 'networks' && path.length === 2)
    return { name: 'A network', keys: Object.keys(NetworkEntry.shape) };
  if (noun === 'images' && path.length === 2)
    return { name: 'An image', keys: Object.keys(ImageEntry.shape) };
  if (noun === 'nodes' && path.length === 2) return { name: 'A node', keys: Object.keys(NodeEntry.shape) };
  if (part === 'settings') return { name: "A node's settings", keys: Object.keys(NodeSettings.shape) };
  if (part === 'build' || part === 'default') {
    const { options } = ImageEntry.shape[part].unwrap();
    return { name: `'${part}' of an image`, keys: Object.keys(options[1].shape) };
  }
  return { name: 'A lab file', keys: Object.keys(LabFile.shape) };
}

/** One letter more, less, other or swapped (optimal string alignment of 1), or the begin of the other. */
function isNear(a: string, b: string): boolean {
  if (b.length >= 3 && (a.startsWith(b) || b.startsWith(a))) return true;
  if (Math.abs(a.length - b.length) > 1) return false;
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  const rest = (text: string, skip: number): string => text.slice(at + skip);
  const isSwapped = a[at] === b[at + 1] && a[at + 1] === b[at] && rest(a, 2) === rest(b, 2);
  return rest(a, 1) === rest(b, 1) || rest(a, 1) === rest(b, 0) || rest(a, 0) === rest(b, 1) || isSwapped;
}
