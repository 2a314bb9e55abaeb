import type { Finding, ImageInfo } from '../../backend/api/image.ts';
import type { LabConnection } from '../daemon/connection.ts';

/** Images whose findings are kept. */
const KEPT = 100;

/** What the daemon's check finds in images, asked for once for each content of an image. */
export class ImageFindings {
  readonly #connection: LabConnection;
  readonly #known = new Map<string, readonly Finding[]>();

  constructor(connection: LabConnection) {
    this.#connection = connection;
  }

  /** Errors first. Throws what the daemon says; asks nothing when the check has found nothing. */
  async of(image: ImageInfo, signal?: AbortSignal): Promise<readonly Finding[]> {
    const { lint } = image;
    if (lint && lint.errors + lint.warnings + lint.infos === 0) return [];
    const known = this.#known.get(image.id);
    if (known) return known;
    const findings = await this.#connection.call('image.lint', { image: image.name }, { signal });
    this.#known.set(image.id, findings);
    const [oldest] = this.#known.keys();
    if (this.#known.size > KEPT && oldest !== undefined) this.#known.delete(oldest);
    return findings;
  }
}
