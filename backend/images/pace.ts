const TOLD_MS = 200;

/** Says whether to tell progress now: at most five times a second. */
export function pace(): () => boolean {
  let told = 0;
  return () => {
    const now = Date.now();
    if (now - told < TOLD_MS) return false;
    told = now;
    return true;
  };
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
