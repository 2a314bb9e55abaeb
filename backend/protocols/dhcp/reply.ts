import { addressNumber, addressOf, addressText, sameSubnet } from './addresses.ts';
import { clientOf } from './client.ts';
import type { DhcpClient } from './client.ts';
import type { DhcpMessage } from './codec.ts';
import type { LeaseChange, LeaseView } from './leases.ts';
import { messageName, MessageType, Option } from './options.ts';
import type { BootFile, DhcpPolicy, Reservation } from './policy.ts';
import { answerOptions, messageLimit, refusalOptions } from './reply-options.ts';
import type { NetworkOptions } from './reply-options.ts';

export interface ReplyContext {
  readonly network: NetworkOptions;
  readonly policy: DhcpPolicy;
  readonly leases: LeaseView;
  /** ms since the epoch */
  readonly now: number;
  readonly serverPort: number;
  readonly clientPort: number;
}

/** What came of a message: who sent it, the clause that says why, and what the lease table must note. */
interface Verdict {
  readonly client: DhcpClient;
  /** name of the client's message */
  readonly request: string;
  readonly cause: string;
  readonly address?: number;
  readonly change?: LeaseChange;
  /** the client has a fixed address */
  readonly isRegistered: boolean;
}
export interface Answer extends Verdict {
  readonly answer: 'OFFER' | 'ACK' | 'NAK';
  readonly message: DhcpMessage;
  readonly destination: { readonly address: string; readonly port: number };
  /** most bytes that the client takes */
  readonly limit: number;
  readonly bootFile?: string;
}
export interface Silence extends Verdict {
  readonly answer?: undefined;
}
export type Outcome = Answer | Silence;

interface Case {
  readonly request: DhcpMessage;
  readonly client: DhcpClient;
  readonly name: string;
  readonly context: ReplyContext;
  readonly reservation: Reservation | undefined;
  readonly reserved: number | undefined;
}

/** Causes of outcomes for a client without a reservation: nothing is left for it, or it is offered an address. */
export const RANGE_FULL = 'range full';
export const RANGE_OFFER = 'unknown client, address of the dynamic range';
const everybody = 0xffffffff;
const broadcastFlag = 0x8000;

/**
 * Decides on one message as the network's only, authoritative server (RFC 2131 §4.3). Pure: the table and the policy are
 * only asked; what must change is in the outcome. Silence says why nothing is sent.
 */
export function reply(request: DhcpMessage, context: ReplyContext): Outcome {
  const client = clientOf(request);
  const type = request.options.get(Option.messageType)?.[0] ?? 0;
  const name = messageName(type);
  const unfit = unfitness(request, type, context.network);
  if (unfit) return { client, request: name, cause: unfit, isRegistered: false };
  const reservation = context.policy.reservation(client);
  const reserved = reservation && addressNumber(reservation.address);
  const at: Case = { request, client, name, context, reservation, reserved };
  switch (type) {
    case MessageType.discover:
      return onDiscover(at);
    case MessageType.request:
      return onRequest(at);
    case MessageType.decline:
      return onDecline(at);
    case MessageType.release:
      return onRelease(at);
    case MessageType.inform:
      return onInform(at);
    default:
      return silence(at, `${name} is not a message of clients`);
  }
}

function unfitness(request: DhcpMessage, type: number, network: NetworkOptions): string | undefined {
  if (request.op !== 1) return 'it is a reply, not a request';
  if (request.htype !== 1 || request.chaddr.length !== 6)
    return 'the hardware address is not an Ethernet one';
  if (((request.chaddr[0] ?? 0) & 1) !== 0) return 'the hardware address is that of a group';
  if (type === 0) return 'plain BOOTP is not served';
  const { giaddr } = request;
  if (giaddr !== 0 && !sameSubnet(giaddr, network.server, network.subnetMask)) {
    return `relay ${addressText(giaddr)} is outside this network`;
  }
  return undefined;
}

function onDiscover(at: Case): Outcome {
  const { client, context, request } = at;
  if (at.reserved !== undefined) return grant(at, 'OFFER', at.reserved, 'reserved address');
  const wanted = addressOf(request.options.get(Option.requestedAddress));
  const address = context.leases.candidate(client.mac, wanted, context.now);
  if (address === undefined) return silence(at, context.leases.hasRange ? RANGE_FULL : 'unknown client');
  const change: LeaseChange = { kind: 'offer', mac: client.mac, address };
  return grant(at, 'OFFER', address, RANGE_OFFER, change);
}

/** The four forms of REQUEST (RFC 2131 §4.3.2) differ in where the address stands and whether a server is named. */
function onRequest(at: Case): Outcome {
  const { request, client, context } = at;
  const chosen = addressOf(request.options.get(Option.serverIdentifier));
  const requested = addressOf(request.options.get(Option.requestedAddress));
  if (chosen !== undefined) {
    if (chosen !== context.network.server) return onOtherServer(at, chosen);
    return requested === undefined ? onUnnamed(at) : decide(at, requested, 'it took the offer');
  }
  if (request.ciaddr !== 0) {
    const isKnown = context.leases.isBound(client.mac, request.ciaddr, context.now);
    const how =
      isKnown || at.reserved !== undefined ? 'it renewed its lease' : 'its lease, unknown here, goes on';
    return decide(at, request.ciaddr, how);
  }
  return requested === undefined ? onUnnamed(at) : decide(at, requested, 'it asked for its former address');
}

/** Simple clients, npm's `dhcp` among them, take an offer without naming it: they can only mean the one that they had. */
function onUnnamed(at: Case): Outcome {
  const address = at.reserved ?? at.context.leases.held(at.client.mac);
  if (address === undefined) return silence(at, 'it names no address');
  return decide(at, address, 'it took the offer, which it does not name');
}

/** The client is another server's: an address that was only offered goes back. */
function onOtherServer(at: Case, chosen: number): Outcome {
  const { client, context } = at;
  const address = context.leases.held(client.mac);
  const isOffer = address !== undefined && !context.leases.isBound(client.mac, address, context.now);
  const change: LeaseChange | undefined = isOffer ? { kind: 'release', mac: client.mac, address } : undefined;
  return silence(at, `it chose the server ${addressText(chosen)}`, change);
}

function decide(at: Case, address: number, cause: string): Outcome {
  const objection = objectionTo(at, address);
  if (objection) return refuse(at, address, objection);
  const { mac } = at.client;
  if (at.reserved === undefined) return grant(at, 'ACK', address, cause, { kind: 'bind', mac, address });
  // A client that was unknown until now leaves its address of the range.
  const before = at.context.leases.held(mac);
  const change: LeaseChange | undefined =
    before === undefined ? undefined : { kind: 'release', mac, address: before };
  return grant(at, 'ACK', address, cause, change);
}

/** Why the client must not have this address. */
function objectionTo(at: Case, address: number): string | undefined {
  const { network, leases, now } = at.context;
  const text = addressText(address);
  if (!sameSubnet(address, network.server, network.subnetMask)) return `${text} is outside this network`;
  if (at.reserved !== undefined) {
    return address === at.reserved
      ? undefined
      : `${text} is not its reserved address ${addressText(at.reserved)}`;
  }
  if (!leases.isAvailable(address, at.client.mac, now)) return `${text} is not free for it`;
  return undefined;
}

function onDecline(at: Case): Outcome {
  const address = addressOf(at.request.options.get(Option.requestedAddress));
  const chosen = addressOf(at.request.options.get(Option.serverIdentifier));
  if (chosen !== at.context.network.server) return silence(at, 'it is meant for another server');
  if (address === undefined) return silence(at, 'it names no address');
  if (at.reserved !== undefined)
    return silence(at, 'somebody else uses its reserved address', undefined, address);
  const change: LeaseChange = { kind: 'decline', mac: at.client.mac, address };
  return silence(at, 'somebody else uses the address, which rests now', change, address);
}

function onRelease(at: Case): Outcome {
  const chosen = addressOf(at.request.options.get(Option.serverIdentifier));
  if (chosen !== at.context.network.server) return silence(at, 'it is meant for another server');
  const address = at.request.ciaddr;
  const { mac } = at.client;
  if (at.reserved !== undefined) return silence(at, 'its reserved address stays its own', undefined, address);
  return silence(at, 'it gave its address back', { kind: 'release', mac, address }, address);
}

function onInform(at: Case): Outcome {
  const { ciaddr } = at.request;
  const { network } = at.context;
  if (!sameSubnet(ciaddr, network.server, network.subnetMask)) {
    return silence(at, `${addressText(ciaddr)} is outside this network`);
  }
  return answerTo(at, 'ACK', MessageType.inform, 0, ciaddr, 'it has an address and asked for options');
}

function grant(
  at: Case,
  answer: 'OFFER' | 'ACK',
  address: number,
  cause: string,
  change?: LeaseChange,
): Answer {
  const type = answer === 'OFFER' ? MessageType.offer : MessageType.ack;
  const { ciaddr } = at.request;
  // An OFFER never goes to ciaddr; an ACK does only once this very address is the client's.
  const to = answer === 'ACK' && ciaddr !== 0 ? ciaddr : everybody;
  return answerTo(at, answer, type, address, to, cause, change);
}

function answerTo(
  at: Case,
  answer: 'OFFER' | 'ACK',
  type: number,
  address: number,
  to: number,
  cause: string,
  change?: LeaseChange,
): Answer {
  const { client, context, request, reservation } = at;
  const boot = context.policy.bootFile(client);
  const message: DhcpMessage = {
    ...skeleton(request),
    ciaddr: answer === 'ACK' ? request.ciaddr : 0,
    yiaddr: address,
    siaddr: serverOf(boot) ?? context.network.server,
    file: fieldFile(boot),
    options: answerOptions(type, client, context.network, reservation, boot),
  };
  return {
    ...verdict(at, cause),
    answer,
    message,
    destination: destination(at, to),
    limit: messageLimit(client),
    address: address || request.ciaddr,
    bootFile: boot?.file,
    change,
  };
}

/** A NAK is broadcast, by the relay too: the client has no right to any address (RFC 2131 §4.3.2). */
function refuse(at: Case, address: number, cause: string): Outcome {
  const { client, context, request } = at;
  const header = skeleton(request);
  if (request.giaddr !== 0) header.flags |= broadcastFlag;
  return {
    ...verdict(at, cause),
    answer: 'NAK',
    message: { ...header, options: refusalOptions(client, context.network, cause) },
    destination: destination(at, everybody),
    limit: messageLimit(client),
    address,
  };
}

/**
 * A client without an address is answered by broadcast, whatever its flag says: unicast would need an ARP entry that only a
 * raw socket or the kernel's table can supply (RFC 2131 §4.1 leaves that to the server).
 */
function destination(at: Case, to: number): { address: string; port: number } {
  const { giaddr } = at.request;
  if (giaddr !== 0) return { address: addressText(giaddr), port: at.context.serverPort };
  return { address: addressText(to), port: at.context.clientPort };
}

function skeleton(request: DhcpMessage): DhcpMessage {
  const { htype, xid, flags, giaddr, chaddr } = request;
  return {
    op: 2,
    htype,
    hops: 0,
    xid,
    secs: 0,
    flags,
    ciaddr: 0,
    yiaddr: 0,
    siaddr: 0,
    giaddr,
    chaddr,
    sname: '',
    file: '',
    options: new Map(),
  };
}

function serverOf(boot: BootFile | undefined): number | undefined {
  return boot?.nextServer === undefined ? undefined : addressNumber(boot.nextServer);
}

/** The header's field holds 127 characters; a longer name stands in option 67 alone. */
function fieldFile(boot: BootFile | undefined): string {
  return boot?.file !== undefined && boot.file.length <= 127 ? boot.file : '';
}

function verdict(at: Case, cause: string): Verdict {
  return { client: at.client, request: at.name, cause, isRegistered: at.reserved !== undefined };
}

function silence(at: Case, cause: string, change?: LeaseChange, address?: number): Silence {
  return { ...verdict(at, cause), change, address };
}
