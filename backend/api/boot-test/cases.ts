import { basename } from 'node:path';
import { BootyardError } from '../../errors.ts';
import { checkSettings, type NodeSettings } from '../node.ts';
import { parseYaml, type Position, YamlError, type YamlFile } from '../yaml-file.ts';
import { BootTestFile, type StageName } from './file.ts';

/** One boot that is to be tried: a file has one for each combination of its matrix. */
export interface BootCase {
  name: string;
  /** the name that its user knows, for sentences */
  file: string;
  image: string;
  settings: NodeSettings;
  stage: StageName;
  spec: BootTestFile;
  placeOf: (path: readonly PropertyKey[]) => Position;
}

export const BOOT_TEST_ENDING = '.boot.yaml';
const MOST_CASES = 256;
type Values = Record<string, string>;

/** Throws `YamlError` with all that is wrong in the file. */
export function readBootTest(text: string, file: string): BootCase[] {
  const read = parseYaml(text, file, BootTestFile);
  const problem = contradiction(read.value);
  if (problem) refuse(file, read, ...problem);
  const { value: spec, at } = read;
  const combinations = combine(spec.matrix);
  if (combinations.length > MOST_CASES)
    refuse(file, read, ['matrix'], `these are ${combinations.length} boots; a file may have ${MOST_CASES}.`);
  const title = spec.name ?? basename(file, BOOT_TEST_ENDING);
  return combinations.map((values) => {
    const { image = spec.image ?? '', ...chosen } = values;
    const list = Object.entries(values).map(([name, value]) => `${name}=${value}`);
    return {
      name: list.length === 0 ? title : `${title} (${list.join(', ')})`,
      file,
      image,
      settings: settingsOf(file, read, chosen),
      stage: spec.expect.stage ?? (spec.expect.panic ? 'kernel' : 'booted'),
      spec,
      placeOf: (path) => at(path).from,
    };
  });
}

/** What no single place of the file has wrong. */
function contradiction({
  image,
  matrix,
  settings,
  faults,
  expect,
}: BootTestFile): [string[], string] | undefined {
  if ((image === undefined) === (matrix.image === undefined))
    return [matrix.image ? ['matrix', 'image'] : [], 'name one image, or several as matrix: image.'];
  const twice = Object.keys(settings).find((name) => name in matrix);
  if (twice !== undefined) return [['matrix', twice], `${twice} is among the settings, too.`];
  if ([settings, matrix].some((one) => 'boot.retries' in one))
    return [['settings', 'boot.retries'], 'a boot test boots once: leave boot.retries out.'];
  if (expect.panic && expect.stage === 'booted')
    return [['expect', 'panic'], 'a kernel that panics is not booted: expect another stage.'];
  const isBooted = (expect.stage ?? 'booted') === 'booted' && !expect.panic;
  if (!isBooted && expect.commands.length > 0)
    return [['expect', 'commands'], 'commands run in a node that is booted: expect stage: booted.'];
  if (!isBooted && faults.fullDisk !== undefined)
    return [['faults', 'fullDisk'], 'a disk is filled once the node is booted: expect stage: booted.'];
  if (!isBooted && Object.keys(expect.limits).length > 0)
    return [['expect', 'limits'], 'limits are of the time until booted: expect stage: booted.'];
  return undefined;
}

function combine(matrix: BootTestFile['matrix']): Values[] {
  let all: Values[] = [{}];
  for (const [name, values = []] of Object.entries(matrix))
    all = all.flatMap((one) => values.map((value) => ({ ...one, [name]: value })));
  return all;
}

function settingsOf(file: string, read: YamlFile<BootTestFile>, chosen: Values): NodeSettings {
  const { settings, faults } = read.value;
  const wanted: Values = { 'boot.retries': '0', ...settings, ...chosen };
  const restrictions = restrictionsOf(faults);
  const { networks = 'walt-net' } = wanted;
  if (restrictions !== '' && networks.includes('walt-net['))
    refuse(
      file,
      read,
      ['faults'],
      'walt-net has restrictions in the setting networks: give all of them there.',
    );
  const shaped = networks.replace(/\bwalt-net\b/, `walt-net[${restrictions}]`);
  try {
    return checkSettings(restrictions === '' ? wanted : { ...wanted, networks: shaped });
  } catch (error) {
    if (!(error instanceof BootyardError)) throw error;
    const name = String(error.data.setting);
    const isFault = restrictions !== '' && name === 'networks';
    return refuse(
      file,
      read,
      isFault ? ['faults'] : [name in chosen ? 'matrix' : 'settings', name],
      error.message,
    );
  }
}

/** As the setting `networks` has them. */
function restrictionsOf({ latency, bandwidth, loss }: BootTestFile['faults']): string {
  const all = Object.entries({ lat: latency, bw: bandwidth, loss });
  return all.flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`])).join(',');
}

function refuse(file: string, { at }: YamlFile<unknown>, path: readonly string[], message: string): never {
  throw new YamlError(file, [{ ...at(path), message }]);
}
