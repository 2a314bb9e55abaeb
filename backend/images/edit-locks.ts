import { BootyardError } from '../errors.ts';

/** One task at a time may change an image, as in WalT; images are told by their names. */
export class EditLocks {
  readonly #tasks = new Map<string, string>();

  /** Throws WalT's sentence while a task changes the image. */
  check(image: string): void {
    const task = this.#tasks.get(image);
    if (task === undefined) return;
    const article = /^[aeiou]/.test(task) ? 'an' : 'a';
    throw new BootyardError(
      'image.busy',
      `Cannot open image ${image} because ${article} ${task} is already running.`,
      { image, task },
    );
  }

  /** No other task may change the image until the result is called. `task`: a noun, such as `squash operation` */
  take(image: string, task: string): () => void {
    this.check(image);
    this.#tasks.set(image, task);
    return () => void this.#tasks.delete(image);
  }

  /** Does `work` while no other task may change the image. */
  async hold<T>(image: string, task: string, work: () => Promise<T>): Promise<T> {
    const release = this.take(image, task);
    try {
      return await work();
    } finally {
      release();
    }
  }
}
