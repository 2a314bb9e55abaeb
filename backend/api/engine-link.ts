import { parseEngineLink } from '../images/engine/link.ts';

/** `docker:<name>[:<tag>]` or `podman:…`. Throws `image.badLink`. */
export function isEngineLink(text: string): boolean {
  return parseEngineLink(text) !== undefined;
}
