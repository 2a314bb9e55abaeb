import { MODEL_NAMES } from '../../boot/models.ts';
import { type Cause, clause } from './cause.ts';
import { type BootCase, fromConsole, fromMachine, fromRequest, fromSetting } from './facts.ts';

const ASKS =
  /asking for an address|Start (?:PXE|HTTP) over|Configuring (?:\[|\()|DHCP\.|No DHCP server answered/;
const isBeforeFiles = (boot: BootCase): boolean => boot.isIn('power-on', 'firmware', 'dhcp');
/** Below that a kernel takes minutes. Bits per second. */
const SLOW_BANDWIDTH = 2e6;
const SLOW_LATENCY_US = 1e6;
const LOSSY = 0.1;

/** Why a node gets no address. */
export const dhcpCauses: readonly Cause[] = [
  {
    id: 'dhcp.relay',
    title: 'no DHCP answer: it came through a relay of another network (giaddr)',
    explain(boot) {
      const event = boot.dhcp.findLast(({ answer }) => answer === undefined);
      const relay = /^relay (\S+) is outside this network$/.exec(event?.cause ?? '')?.[1];
      if (!isBeforeFiles(boot) || relay === undefined) return undefined;
      return {
        why: `its DHCP request came through the relay ${relay}, which is outside the lab's network, and was not answered`,
        fix: "take the relay away, or give it an address of the lab's network 192.168.152.0/24 as giaddr",
        evidence: fromRequest(event),
      };
    },
  },
  {
    id: 'dhcp.wrong-model',
    title: 'its first stage says another model than the one that the node was made with',
    explain(boot) {
      const { model, node } = boot.facts;
      const said = boot.dhcp
        .map(({ userClass = '' }) => /^walt\.node\.([\w-]+)$/.exec(userClass)?.[1])
        .findLast((name) => name !== undefined && name !== model);
      if (said === undefined || boot.isIn('init', 'booted')) return undefined;
      const isModel = MODEL_NAMES.includes(said);
      const anew = isModel ? `, or make it anew with 'bootyard node create --model ${said}'` : '';
      return {
        why: `its first stage says it is a ${said}, and the node was made as ${model}, so it gets the files of ${model}`,
        fix: `give ${node} a machine of model ${model} and a first stage that says so${anew}`,
        evidence: fromRequest(boot.dhcp.at(-1)),
      };
    },
  },
  {
    id: 'dhcp.no-file',
    title: 'the firmware gets an address and no boot file: none fits its architecture',
    explain(boot) {
      const last = boot.dhcp.findLast(({ vendorClass = '' }) => /^(PXE|HTTP)Client/.test(vendorClass));
      if (!isBeforeFiles(boot) || !last?.answer || last.answer === 'NAK' || last.bootFile) return undefined;
      if (last.userClass?.startsWith('walt.node')) return undefined;
      return {
        why: `its firmware (architecture ${last.architecture ?? 'not said'}) got an address and no boot file, as there is none for such firmware`,
        fix: `choose 'bootyard node config ${boot.facts.node} firmware=ipxe'`,
        evidence: fromRequest(last),
      };
    },
  },
  {
    id: 'dhcp.refused',
    title: 'the DHCP server refused the address that it wanted (NAK)',
    explain(boot) {
      const last = boot.dhcp.at(-1);
      if (!isBeforeFiles(boot) || last?.answer !== 'NAK') return undefined;
      return {
        why: `the address that it asked for was refused (${last.cause})`,
        fix: `let it ask anew: 'bootyard node reboot --hard ${boot.facts.node}'`,
        evidence: fromRequest(last),
      };
    },
  },
  {
    id: 'firmware.nothing-to-boot',
    title: 'the firmware found nothing to boot',
    explain(boot) {
      const line = boot.line(
        /No bootable device|Boot[a-z]* failed: not a bootable|BdsDxe: No bootable option/,
      );
      if (!boot.isIn('firmware', 'dhcp', 'boot files') || !line) return undefined;
      const { settings, node } = boot.facts;
      return {
        why: `the firmware (firmware=${settings.firmware}) found nothing to boot`,
        fix: `choose 'bootyard node config ${node} firmware=ipxe', and see that package ipxe is installed on the host`,
        evidence: [...fromSetting('firmware', settings.firmware), ...fromConsole(line.input)],
      };
    },
  },
];

/** Why nothing, or too little, comes through the network, when nothing else is the cause. */
export const linkCauses: readonly Cause[] = [
  {
    id: 'network.loss',
    title: 'its network loses frames: `networks=walt-net[loss=…]`',
    explain(boot) {
      const { loss = 0 } = boot.restrictions;
      if (loss < LOSSY || !boot.is('stalled', 'rebooted', 'unreachable')) return undefined;
      return limited(boot, `loses ${Math.round(loss * 100)} % of its frames in each direction`);
    },
  },
  {
    id: 'network.slow',
    title: 'its network is too slow for a boot: `networks=walt-net[bw=…,lat=…]`',
    explain(boot) {
      const { bandwidth = Infinity, latencyUs = 0 } = boot.restrictions;
      if (!boot.is('stalled', 'rebooted', 'unreachable')) return undefined;
      if (bandwidth >= SLOW_BANDWIDTH && latencyUs < SLOW_LATENCY_US) return undefined;
      const file = boot.unfinished();
      const speed = bandwidth < SLOW_BANDWIDTH ? `passes ${Math.round(bandwidth / 1e3)} kbit/s` : undefined;
      const slow = speed ?? `takes ${(latencyUs / 1e6).toFixed(1)} s for a round trip`;
      return limited(boot, `${slow}${file ? `, and ${file.path} was on its way` : ''}`);
    },
  },
  {
    id: 'network.lab-broken',
    title: "the lab's network is broken: no tap or bridge, or nothing of the node reaches the servers",
    explain(boot) {
      const { end, stage } = boot.facts;
      const again = "start the lab again ('bootyard lab stop', then 'bootyard lab start')";
      if (boot.is('not started') && /^lab\.(network|tool)$/.test(end.code ?? '')) {
        const words = clause(end.text).replace(/; "bootyard doctor" says what to do$/, '');
        const why = `its network card cannot be joined to the lab's network (${words})`;
        const fix = `do what 'bootyard doctor' says, and ${again}`;
        return { why, fix, evidence: fromMachine(end.text) };
      }
      const asks = boot.line(ASKS);
      if (!boot.is('stalled', 'rebooted') || stage !== 'firmware' || !asks || boot.dhcp.length > 0)
        return undefined;
      return {
        why: "it asked for an address, and nothing of that reached the lab's DHCP server: the bridge walt-net or its tap is down",
        fix: `${again}, and see 'bootyard doctor'`,
        evidence: fromConsole(asks[0]),
      };
    },
  },
  {
    id: 'dhcp.answer-lost',
    title: 'it was answered by DHCP and asks again and again: answers do not reach it',
    explain(boot) {
      const offers = boot.dhcp.filter(({ answer }) => answer === 'OFFER').length;
      const isTaken = boot.dhcp.some(({ answer }) => answer === 'ACK');
      if (!isBeforeFiles(boot) || offers === 0 || isTaken) return undefined;
      return {
        why: `the DHCP server offered it an address ${offers} ${offers === 1 ? 'time' : 'times'}, and it took none: what the lab sends does not reach it`,
        fix: `see 'bootyard doctor' for the lab's network, then 'bootyard node boot ${boot.facts.node}'`,
        evidence: fromRequest(boot.dhcp.at(-1)),
      };
    },
  },
];

function limited(boot: BootCase, how: string) {
  const { node, settings } = boot.facts;
  const file = boot.unfinished();
  return {
    why: `its link to the lab ${how}`,
    fix: `take the limits away with 'bootyard node config ${node} networks=walt-net', or raise boot.timeout`,
    evidence: [...fromSetting('networks', settings.networks), ...fromRequest(file)],
  };
}
