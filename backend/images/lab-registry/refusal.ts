import { BootyardError } from '../../errors.ts';
import { RegistryError, type RegistryErrorCode } from '../../protocols/registry/errors.ts';

const CODES: Record<string, { code: RegistryErrorCode; status?: number }> = {
  'image.wrongDigest': { code: 'DIGEST_INVALID' },
  'image.badName': { code: 'NAME_INVALID' },
  'image.busy': { code: 'DENIED', status: 409 },
  'image.inUse': { code: 'DENIED', status: 409 },
  'image.layerGone': { code: 'MANIFEST_BLOB_UNKNOWN' },
  'image.incomplete': { code: 'MANIFEST_BLOB_UNKNOWN' },
  'image.noSpace': { code: 'DENIED', status: 507 },
};

/** What the store says of a pushed image, as a registry says it. What is no sentence for users stays as it is. */
export function refusalOf(error: unknown): unknown {
  if (!(error instanceof BootyardError)) return error;
  const { code, status } = CODES[error.code] ?? { code: 'MANIFEST_INVALID' as const };
  return new RegistryError(code, error.message, status === undefined ? {} : { status });
}
