import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import * as z from 'zod';
import type { Channel } from '../../extension/debug/channel.ts';
import { framed, MessageReader } from '../../extension/debug/messages.ts';
import { until } from './lab.ts';

const Message = z.object({
  type: z.enum(['event', 'response', 'request']),
  event: z.string().optional(),
  command: z.string().optional(),
  request_seq: z.number().optional(),
  success: z.boolean().optional(),
  message: z.string().optional(),
  body: z.unknown().optional(),
});
type Message = z.infer<typeof Message>;

const Stopped = z.object({ reason: z.string(), threadId: z.number() });
const Stack = z.object({
  stackFrames: z.array(
    z.object({
      id: z.number(),
      name: z.string(),
      line: z.number(),
      source: z.object({ path: z.string() }).optional(),
    }),
  ),
});
/** A node in software emulation takes its time. */
const ANSWER_MS = 100_000;

/** The editor's side of the Debug Adapter Protocol. */
export class DapClient {
  readonly #stream: Channel;
  readonly #heard: Message[] = [];
  #sequence = 0;
  #end: string | undefined;

  constructor(stream: Channel) {
    this.#stream = stream;
    const reader = new MessageReader();
    stream.onData((data) => {
      for (const message of reader.take(data)) this.#heard.push(Message.parse(message));
    });
    stream.onEnd((sentence = 'It has ended.') => (this.#end = sentence));
  }

  /** Answers the body of the answer, or throws what the adapter says instead. */
  async ask(command: string, args: unknown): Promise<unknown> {
    const answer = await this.#answer(this.send(command, args));
    if (answer.success !== true) throw new Error(`${command}: ${answer.message}`);
    return answer.body;
  }

  /** Answers the number of the request. */
  send(command: string, args: unknown): number {
    const seq = ++this.#sequence;
    this.#stream.write(framed({ seq, type: 'request', command, arguments: args }));
    return seq;
  }

  /** The first event of that name that has not been asked for. */
  async event(name: string): Promise<unknown> {
    const event = await this.#take(name, (message) => message.event === name);
    return event.body;
  }

  /** Waits until the program stops; answers why, and where it stands. */
  async stopped(): Promise<z.infer<typeof Stack>['stackFrames'][number] & z.infer<typeof Stopped>> {
    const stopped = Stopped.parse(await this.event('stopped'));
    const { stackFrames } = Stack.parse(await this.ask('stackTrace', { threadId: stopped.threadId }));
    const [top] = stackFrames;
    if (!top) throw new Error('it stopped nowhere');
    return { ...top, ...stopped };
  }

  /** What an expression is where the program stands. */
  async value(expression: string, frameId: number): Promise<string> {
    const body = await this.ask('evaluate', { expression, frameId, context: 'watch' });
    return z.object({ result: z.string() }).parse(body).result;
  }

  /** What the program has printed so far. */
  printed(): string {
    const Output = z.object({ category: z.string().optional(), output: z.string() });
    return this.#heard
      .filter(({ event }) => event === 'output')
      .map(({ body }) => Output.parse(body))
      .filter(({ category }) => category === 'stdout')
      .map(({ output }) => output)
      .join('');
  }

  #answer(seq: number): Promise<Message> {
    return this.#take(`answer ${seq}`, (message) => message.request_seq === seq);
  }

  async #take(what: string, isIt: (message: Message) => boolean): Promise<Message> {
    const at = await until(
      what,
      () => [this.#heard.findIndex(isIt), this.#end] as const,
      ([index, end]) => index >= 0 || end !== undefined,
      ANSWER_MS,
    );
    const [message] = at[0] < 0 ? [] : this.#heard.splice(at[0], 1);
    if (!message) throw new Error(`no ${what}: ${this.#end}`);
    return message;
  }
}

/** An adapter that is a program of this host. */
export function channelTo(child: ChildProcessWithoutNullStreams): Channel {
  return {
    onData: (listener) => child.stdout.on('data', listener),
    onEnd: (listener) => child.once('close', (code) => listener(`It has ended with ${code}.`)),
    write: (data) => child.stdin.write(data),
    close: () => child.kill(),
  };
}
