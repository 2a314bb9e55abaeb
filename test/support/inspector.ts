import { once } from 'node:events';
import * as z from 'zod';
import { until } from './lab.ts';

const Message = z.object({
  id: z.number().optional(),
  method: z.string().optional(),
  params: z.unknown().optional(),
  result: z.unknown().optional(),
  error: z.object({ message: z.string() }).optional(),
});
type Message = z.infer<typeof Message>;
const Paused = z.object({
  reason: z.string(),
  callFrames: z.array(
    z.object({
      callFrameId: z.string(),
      functionName: z.string(),
      location: z.object({ lineNumber: z.number() }),
    }),
  ),
});
/** A node in software emulation takes its time. */
const ANSWER_MS = 100_000;

/** A debugger's side of Node.js's inspector. Lines are counted from 0. */
export class InspectorClient {
  readonly #socket: WebSocket;
  readonly #opened: Promise<unknown>;
  readonly #heard: Message[] = [];
  #end: string | undefined;
  #last = 0;

  constructor(url: string) {
    this.#socket = new WebSocket(url);
    this.#opened = once(this.#socket, 'open');
    this.#socket.addEventListener('message', ({ data }) =>
      this.#heard.push(Message.parse(JSON.parse(String(data)))),
    );
    this.#socket.addEventListener('close', () => (this.#end = 'it has ended'));
  }

  async ask(method: string, params: unknown = {}): Promise<unknown> {
    await this.#opened;
    const id = ++this.#last;
    this.#socket.send(JSON.stringify({ id, method, params }));
    const { error, result } = await this.#take(method, (message) => message.id === id);
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  /** Waits until the program pauses; answers why, and where it stands. */
  async paused(): Promise<{ reason: string; functionName: string; line: number; id: string }> {
    const { params } = await this.#take('pause', ({ method }) => method === 'Debugger.paused');
    const { reason, callFrames } = Paused.parse(params);
    const [top] = callFrames;
    if (!top) throw new Error('it has paused nowhere');
    const { callFrameId, functionName, location } = top;
    return { reason, functionName, line: location.lineNumber, id: callFrameId };
  }

  async value(expression: string, callFrameId: string): Promise<unknown> {
    const answer = await this.ask('Debugger.evaluateOnCallFrame', { expression, callFrameId });
    return z.object({ result: z.object({ value: z.unknown() }) }).parse(answer).result.value;
  }

  close(): void {
    this.#socket.close();
  }

  async #take(what: string, isIt: (message: Message) => boolean): Promise<Message> {
    const [at] = await until(
      what,
      () => [this.#heard.findIndex(isIt), this.#end] as const,
      ([index, end]) => index >= 0 || end !== undefined,
      ANSWER_MS,
    );
    const [message] = at < 0 ? [] : this.#heard.splice(at, 1);
    if (!message) throw new Error(`no ${what}: ${this.#end}`);
    return message;
  }
}
