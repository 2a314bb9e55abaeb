import type { PortInfo } from '../../../backend/api/port.ts';

/** What `Expose Port...` takes: `80`, or `80:8080` with the port of this machine; port 0 is a free one. */
export function parsePorts(text: string): { nodePort: number; hostPort: number } | undefined {
  const match = /^(\d{1,5})(?::(\d{1,5}))?$/.exec(text.trim());
  const nodePort = Number(match?.[1] ?? 0);
  const hostPort = Number(match?.[2] ?? 0);
  return nodePort >= 1 && nodePort < 65_536 && hostPort < 65_536 ? { nodePort, hostPort } : undefined;
}

/** `127.0.0.1:8080`, as a browser takes it. */
export function portAddress({ address, hostPort }: Pick<PortInfo, 'address' | 'hostPort'>): string {
  return `${address.includes(':') ? `[${address}]` : address}:${hostPort}`;
}

/** A port in a list; `isOurs`: this window has opened it. */
export function portRow(
  port: PortInfo,
  isOurs: boolean,
): { label: string; description: string; detail: string } {
  const owner = port.permanent ? 'by the setting "expose"' : isOurs ? 'by this window' : 'by a command';
  const state = port.state === 'open' ? `opened ${owner}` : `closed: ${port.reason ?? 'not opened yet'}`;
  return { label: `${port.node}:${port.nodePort}`, description: portAddress(port), detail: state };
}
