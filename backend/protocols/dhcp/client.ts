import { addressText, macText } from './addresses.ts';
import type { DhcpMessage } from './codec.ts';
import { Option, optionText } from './options.ts';

/** What a client says of itself in one message. Texts are the client's own: never trust them. */
export interface DhcpClient {
  /** lower case with colons */
  readonly mac: string;
  /** option 60, for example `PXEClient:Arch:00000:UNDI:002001` */
  readonly vendorClass?: string;
  /** first user class of option 77, for example `iPXE` or `walt.node.pc-x86-64` */
  readonly userClass?: string;
  /** option 93 (RFC 4578): 0 BIOS, 7 and 9 x86-64 UEFI, 11 arm64 UEFI, 16 x86-64 UEFI HTTP */
  readonly architecture?: number;
  /** option 97, as 32 hex digits in the order of the wire */
  readonly uuid?: string;
  /** option 12 */
  readonly hostname?: string;
  /** address of the relay that the message came through */
  readonly relay?: string;
  /** option codes that the client asks for (55) */
  readonly requested: readonly number[];
  /** it speaks iPXE's option 175, which only iPXE does */
  readonly isIpxe: boolean;
  /** every option as it came */
  readonly options: ReadonlyMap<number, Uint8Array>;
}

export function clientOf(message: DhcpMessage): DhcpClient {
  const { options } = message;
  const architecture = options.get(Option.architecture);
  const requested = options.get(Option.parameterList);
  const userClass = userClassOf(options.get(Option.userClass));
  return {
    mac: macText(message.chaddr),
    vendorClass: optionText(options.get(Option.vendorClass)),
    userClass,
    architecture:
      architecture && architecture.length >= 2
        ? ((architecture[0] ?? 0) << 8) | (architecture[1] ?? 0)
        : undefined,
    uuid: uuidOf(options.get(Option.clientUuid)),
    hostname: optionText(options.get(Option.hostName)),
    relay: message.giaddr === 0 ? undefined : addressText(message.giaddr),
    requested: requested ? Array.from(requested) : [],
    isIpxe: options.has(Option.ipxe) || userClass === 'iPXE' || (requested?.includes(Option.ipxe) ?? false),
    options,
  };
}

/**
 * RFC 3004 says a list of length-prefixed classes; iPXE and U-Boot send the bare text. A value whose lengths add up
 * exactly is a list.
 */
function userClassOf(bytes: Uint8Array | undefined): string | undefined {
  if (!bytes || bytes.length === 0) return undefined;
  let at = 0;
  while (at < bytes.length) {
    const length = bytes[at] ?? 0;
    if (length === 0) return optionText(bytes);
    at += 1 + length;
  }
  return optionText(at === bytes.length ? bytes.subarray(1, 1 + (bytes[0] ?? 0)) : bytes);
}

function uuidOf(bytes: Uint8Array | undefined): string | undefined {
  // type 0, then 16 bytes (RFC 4578 §2.3)
  if (!bytes || bytes.length !== 17 || bytes[0] !== 0) return undefined;
  return Buffer.from(bytes.subarray(1)).toString('hex');
}

const modelPrefix = 'walt.node.';

/**
 * The node model that the client announces, `pc-x86-64` of `walt.node.pc-x86-64` in its vendor class (60) or user class
 * (77), as WalT's boot loaders do; undefined for any other client.
 */
export function nodeModel(client: Pick<DhcpClient, 'vendorClass' | 'userClass'>): string | undefined {
  for (const text of [client.vendorClass, client.userClass]) {
    if (text?.startsWith(modelPrefix) && text.length > modelPrefix.length) {
      return text.slice(modelPrefix.length);
    }
  }
  return undefined;
}
