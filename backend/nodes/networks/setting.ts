/** What a network does to the frames of a node, in each direction; absent: nothing. */
export interface Restrictions {
  /** µs that a round trip through this network card takes longer; half of it in each direction */
  latencyUs?: number;
  /** bits per second, in each direction */
  bandwidth?: number;
  /** probability that a frame is lost, 0 to 1, in each direction */
  loss?: number;
}
export interface NetworkSpec {
  name: string;
  restrictions: Restrictions;
}

/** The network that nodes boot from. */
export const MAIN_NETWORK = 'walt-net';

const NETWORK = /([a-z][a-z-]*)(?:\[([^\]]*)\])?/g;
const LIST = /^[a-z][a-z-]*(\[[^\]]*\])?(,[a-z][a-z-]*(\[[^\]]*\])?)*$/;
/** A machine has room for some more cards, but no user means more than this. */
const MAX_NETWORKS = 8;
const MAX_NAME = 32;
const MAX_LATENCY_US = 10e6;
const BANDWIDTH = { kbps: 1e3, mbps: 1e6, gbps: 1e9 } as const;
const MIN_BANDWIDTH = 8e3;
const MAX_BANDWIDTH = 100e9;
const HELP = "See 'bootyard node config --help'.";

/**
 * WalT's grammar of `networks=`, `walt-net,home-net[lat=10ms,bw=100Mbps]`, with `kbps` and `loss=1%` besides. The main
 * network comes first in the result, whatever its place in the text: guests know it as their first card.
 * Throws an `Error` whose message is a sentence for the user.
 */
export function parseNetworks(text: string): NetworkSpec[] {
  if (!LIST.test(text)) {
    throw new Error(
      `Could not parse networks value '${text}': names of letters a-z and dashes, as in walt-net,home-net[lat=10ms]. ${HELP}`,
    );
  }
  const networks = [...text.matchAll(NETWORK)].map(([, name = '', list]) => ({
    name,
    restrictions: parseRestrictions(list),
  }));
  checkNames(networks.map(({ name }) => name));
  return networks.sort((a, b) => Number(b.name === MAIN_NETWORK) - Number(a.name === MAIN_NETWORK));
}

function checkNames(names: readonly string[]): void {
  const long = names.find((name) => name.length > MAX_NAME);
  if (long !== undefined)
    throw new Error(`A network's name has at most ${MAX_NAME} letters, '${long}' more.`);
  if (new Set(names).size < names.length)
    throw new Error('Specifying twice the same network name is not allowed.');
  if (!names.includes(MAIN_NETWORK))
    throw new Error(`Mandatory network '${MAIN_NETWORK}' is missing from specified networks.`);
  if (names.length > MAX_NETWORKS)
    throw new Error(`A node has at most ${MAX_NETWORKS} networks, not ${names.length}.`);
}

function parseRestrictions(list: string | undefined): Restrictions {
  const result: Restrictions = {};
  for (const text of list?.split(',') ?? []) {
    const one = parseRestriction(text);
    if (one === undefined) throw new Error(`'${text}' is not a valid network resource restriction. ${HELP}`);
    if (Object.keys(one).some((key) => key in result))
      throw new Error(`'${text}' restricts the same network resource a second time. ${HELP}`);
    Object.assign(result, one);
  }
  return result;
}

/** Restrictions as the setting has them: `lat=10ms,bw=1Mbps,loss=1%`. */
export function restrictionsText({ latencyUs, bandwidth, loss }: Restrictions): string {
  const parts = [
    ...(latencyUs === undefined ? [] : [`lat=${inUnit(latencyUs, { ms: 1000, us: 1 })}`]),
    ...(bandwidth === undefined ? [] : [`bw=${inUnit(bandwidth, { Gbps: 1e9, Mbps: 1e6, kbps: 1e3 })}`]),
    ...(loss === undefined ? [] : [`loss=${Number((loss * 100).toFixed(4))}%`]),
  ];
  return parts.join(',');
}

/** In the largest unit in which it is a whole number; units from large to small. */
function inUnit(value: number, units: Record<string, number>): string {
  const [unit, size] = Object.entries(units).find(([, size]) => value % size === 0) ?? ['', 1];
  return `${value / size}${unit}`;
}

function parseRestriction(text: string): Restrictions | undefined {
  const [, key = '', number = '', unit = ''] =
    /^(lat|bw|loss)=(\d{1,9}(?:\.\d{1,6})?)(us|ms|[kmg]bps|%)$/.exec(text.toLowerCase()) ?? [];
  const value = Number(number);
  if (key === 'loss' && unit === '%' && value <= 100) return { loss: value / 100 };
  if (!Number.isInteger(value)) return undefined;
  if (key === 'lat' && (unit === 'us' || unit === 'ms')) {
    const latencyUs = unit === 'ms' ? value * 1000 : value;
    return latencyUs <= MAX_LATENCY_US ? { latencyUs } : undefined;
  }
  if (key !== 'bw' || !Object.hasOwn(BANDWIDTH, unit)) return undefined;
  const bandwidth = value * BANDWIDTH[unit as keyof typeof BANDWIDTH];
  return bandwidth >= MIN_BANDWIDTH && bandwidth <= MAX_BANDWIDTH ? { bandwidth } : undefined;
}
