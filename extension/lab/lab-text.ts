import type { LabStatus } from '../../backend/api/lab.ts';
import type { ConnectionState } from '../daemon/connection.ts';
import { bytes } from '../images/image-row.ts';
import { escapeMarkdown } from '../ui/markdown.ts';

export interface LabView {
  readonly state: ConnectionState;
  readonly failure: string | undefined;
  readonly lab: LabStatus | undefined;
  readonly booted: number;
  readonly total: number;
}

/** The status bar item's text, such as `$(vm-running) 2/3`, with a sign when the tooltip has a notice. */
export function statusText({ state, lab, booted, total }: LabView): string {
  const sign = lab?.notices ? ' $(warning)' : '';
  if (state === 'running') return `$(${booted > 0 ? 'vm-running' : 'vm-outline'}) ${booted}/${total}${sign}`;
  if (state === 'starting') return '$(loading~spin) Bootyard';
  return `$(${state === 'failing' ? 'debug-disconnect' : 'vm-outline'}) Bootyard`;
}

/** What a screen reader says for the item. */
export function spokenStatus({ state, lab, booted, total }: LabView): string {
  if (state === 'running')
    return [`Bootyard: ${booted} of ${total} nodes booted`, ...(lab?.notices ?? [])].join('. ');
  return `Bootyard: ${state === 'failing' ? 'the daemon does not answer' : `lab ${state}`}`;
}

const accelerations: Record<LabStatus['acceleration'], string> = {
  kvm: 'KVM',
  tcg: 'software emulation (TCG)',
  unknown: 'not probed yet',
};

/** One paragraph for people: state, nodes, acceleration, daemon. */
export function statusSentence({ state, failure, lab, booted, total }: LabView): string {
  if (state === 'failing') return `The daemon does not answer: ${failure ?? 'it is being started again.'}`;
  if (state !== 'running' || !lab) return `The lab is ${state === 'unknown' ? 'being looked for' : state}.`;
  const daemon = lab.daemon
    ? ` The daemon has pid ${lab.daemon.pid} and takes ${bytes(lab.daemon.rssBytes)}.`
    : '';
  return `The lab is running: ${booted} of ${total} nodes booted, acceleration ${accelerations[lab.acceleration]}.${daemon}`;
}

const running: [string, string][] = [
  ['Create node', 'bootyard.node.create'],
  ['Stop lab', 'bootyard.lab.stop'],
];
const stopped: [string, string][] = [['Start lab', 'bootyard.lab.start']];
const always: [string, string][] = [
  ['Doctor', 'bootyard.lab.doctor'],
  ['Log', 'bootyard.lab.showLog'],
];
export const statusCommands = [...running, ...stopped, ...always].map(([, command]) => command);

/** The item's tooltip: status, notices, why this acceleration, and what to do next. */
export function statusTooltip(view: LabView): string {
  const { state, lab } = view;
  const reason =
    state === 'running' && lab?.accelerationReason
      ? [`Acceleration: ${escapeMarkdown(lab.accelerationReason)}`]
      : [];
  const notices = state === 'running' ? (lab?.notices ?? []).map(escapeMarkdown) : [];
  const network =
    state === 'running' && lab ? [`Network ${lab.network.name}, server ${lab.network.address}`] : [];
  const actions = [...(state === 'running' ? running : state === 'stopped' ? stopped : []), ...always];
  const links = actions.map(([title, command]) => `[${title}](command:${command})`).join(' · ');
  const status = [escapeMarkdown(statusSentence(view)), ...notices];
  return ['**Bootyard**', ...status, ...network, ...reason, links].join('\n\n');
}
