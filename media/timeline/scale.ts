/** Times, in ms, at which a scale has marks: at most about ten of them. */
export function marks(wholeMs: number, zoom: number): number[] {
  const rough = wholeMs / 10 / zoom;
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? power * 10;
  return Array.from({ length: Math.floor(wholeMs / step) + 1 }, (_, index) => index * step);
}

export function seconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}
