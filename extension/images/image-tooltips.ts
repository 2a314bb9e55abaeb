import type * as vscode from 'vscode';
import type { ImageInfo } from '../../backend/api/image.ts';
import { tooltip } from '../ui/tooltip.ts';
import type { ImageFindings } from './image-findings.ts';
import { imageTooltip } from './image-row.ts';

/** What a row of an image has no room for, looked up when the mouse rests on it. */
export class ImageTooltips {
  readonly #findings: ImageFindings;

  constructor(findings: ImageFindings) {
    this.#findings = findings;
  }

  async of(image: ImageInfo, token: vscode.CancellationToken): Promise<vscode.MarkdownString> {
    return tooltip(imageTooltip(image, Date.now(), await this.#found(image, token)));
  }

  /** A hover never starts a check: it only tells what one has found. */
  async #found(image: ImageInfo, token: vscode.CancellationToken): ReturnType<ImageFindings['of']> {
    if (!image.lint) return [];
    const controller = new AbortController();
    const watch = token.onCancellationRequested(() => controller.abort());
    try {
      return await this.#findings.of(image, controller.signal);
    } catch {
      // The daemon is away, or the mouse has moved on: the rest of the tooltip is true all the same.
      return [];
    } finally {
      watch.dispose();
    }
  }
}
