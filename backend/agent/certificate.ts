import { createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';

/** For TLS, PEM. */
export interface Certificate {
  key: string;
  cert: string;
}

/** DER (X.690): identifier octets that a certificate needs. */
const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  text: 0x0c,
  time: 0x17,
  sequence: 0x30,
  set: 0x31,
  version: 0xa0,
  extensions: 0xa3,
} as const;
/** Object identifiers, encoded. */
const OID = {
  ecdsaWithSha256: '2a8648ce3d040302',
  commonName: '550403',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
} as const;
/** GeneralName (RFC 5280 §4.2.1.6): dNSName [2], iPAddress [7]. */
const NAME = { dns: 0x82, ip: 0x87 } as const;
/** Nodes without a clock begin in 1970; two digits of a year (UTCTime) end with 2049. */
const LIFE = ['700101000000Z', '491231235959Z'] as const;

/** The certificate of the lab's registry: `registry.crt` and `registry.key` in `folder`, made once. */
export function registryCertificate(folder: string, names: readonly [string, ...string[]]): Certificate {
  const kept = (name: string, make: () => string): string => {
    const file = join(folder, name);
    if (existsSync(file)) return readFileSync(file, 'utf8');
    const content = make();
    writeFileSync(`${file}.new`, content, { mode: 0o600 });
    renameSync(`${file}.new`, file);
    return content;
  };
  const key = kept('registry.key', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  });
  return { key, cert: kept('registry.crt', () => selfSigned(key, names)) };
}

/**
 * A certificate (RFC 5280, PEM) in which a P-256 key vouches for itself under these names and IPv4 addresses, the first
 * of which is its subject. It is no authority: nobody can make certificates of other names with it.
 */
export function selfSigned(privateKey: string, names: readonly [string, ...string[]]): string {
  const algorithm = der(TAG.sequence, oid(OID.ecdsaWithSha256));
  const subject = der(
    TAG.sequence,
    der(TAG.set, der(TAG.sequence, oid(OID.commonName), der(TAG.text, Buffer.from(names[0])))),
  );
  const life = der(TAG.sequence, ...LIFE.map((time) => der(TAG.time, Buffer.from(time))));
  const content = der(
    TAG.sequence,
    der(TAG.version, der(TAG.integer, Buffer.of(2))),
    der(TAG.integer, Buffer.concat([Buffer.of(1), randomBytes(15)])),
    algorithm,
    subject,
    life,
    subject,
    createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    der(TAG.extensions, der(TAG.sequence, isNoAuthority(), altNames(names))),
  );
  const signature = der(TAG.bits, Buffer.of(0), sign('sha256', content, privateKey));
  const lines = der(TAG.sequence, content, algorithm, signature)
    .toString('base64')
    .match(/.{1,64}/g);
  return `-----BEGIN CERTIFICATE-----\n${lines?.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function isNoAuthority(): Buffer {
  const critical = der(TAG.boolean, Buffer.of(0xff));
  return der(TAG.sequence, oid(OID.basicConstraints), critical, der(TAG.octets, der(TAG.sequence)));
}

function altNames(names: readonly string[]): Buffer {
  const all = names.map((name) =>
    isIPv4(name) ? der(NAME.ip, Buffer.from(name.split('.').map(Number))) : der(NAME.dns, Buffer.from(name)),
  );
  return der(TAG.sequence, oid(OID.subjectAltName), der(TAG.octets, der(TAG.sequence, ...all)));
}

function oid(hex: string): Buffer {
  return der(TAG.oid, Buffer.from(hex, 'hex'));
}

/** One value: its tag, its length (X.690 §8.1.3), its content. */
function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content]);
  const size = Buffer.of(length >> 8, length & 0xff).subarray(length < 0x100 ? 1 : 0);
  return Buffer.concat([Buffer.of(tag, 0x80 | size.length), size, content]);
}
