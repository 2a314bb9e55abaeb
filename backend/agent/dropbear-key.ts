import { createPrivateKey } from 'node:crypto';

/**
 * A P-256 private key as dropbear stores its host key: SSH strings of the key type, the curve's name and the public
 * point (SEC 1, uncompressed), then the private number as an SSH mpint (RFC 4251 §5).
 */
export function dropbearKey(pem: Buffer): Buffer {
  const { x, y, d } = createPrivateKey(pem).export({ format: 'jwk' });
  if (!x || !y || !d) throw new Error('not an elliptic curve key');
  const bytes = (text: string): Buffer => Buffer.from(text, 'base64url');
  return Buffer.concat([
    sshString(Buffer.from('ecdsa-sha2-nistp256')),
    sshString(Buffer.from('nistp256')),
    sshString(Buffer.concat([Buffer.of(4), bytes(x), bytes(y)])),
    sshString(positive(bytes(d))),
  ]);
}

function sshString(content: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, content]);
}

/** Drops leading zeros; adds one where the top bit would make the number negative. */
function positive(number: Buffer): Buffer {
  let start = 0;
  while (start < number.length - 1 && number[start] === 0) start++;
  const rest = number.subarray(start);
  return (rest[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), rest]) : rest;
}
