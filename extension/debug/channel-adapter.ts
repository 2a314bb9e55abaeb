import * as vscode from 'vscode';
import * as z from 'zod';
import { messageOf } from '../../backend/errors.ts';
import type { Channel } from './channel.ts';
import { framed, MessageReader } from './messages.ts';

const Request = z.object({ type: z.literal('request'), seq: z.number(), command: z.string() });
const Response = z.object({ type: z.literal('response'), request_seq: z.number() });

/** A debug adapter that runs in a node. When it ends early, what it was asked is answered with the reason. */
export class ChannelAdapter implements vscode.DebugAdapter {
  readonly #channel: Channel;
  readonly #reader = new MessageReader();
  readonly #sent = new vscode.EventEmitter<vscode.DebugProtocolMessage>();
  /** commands by their numbers */
  readonly #asked = new Map<number, string>();
  readonly onDidSendMessage = this.#sent.event;

  constructor(channel: Channel) {
    this.#channel = channel;
    channel.onData((data) => {
      try {
        for (const message of this.#reader.take(data)) this.#receive(message);
      } catch (error) {
        channel.close();
        this.#end(messageOf(error));
      }
    });
    channel.onEnd((sentence) => this.#end(sentence));
  }

  handleMessage(message: vscode.DebugProtocolMessage): void {
    const request = Request.safeParse(message).data;
    if (request) this.#asked.set(request.seq, request.command);
    this.#channel.write(framed(message));
  }

  dispose(): void {
    this.#channel.close();
    this.#sent.dispose();
  }

  #receive(message: unknown): void {
    const response = Response.safeParse(message).data;
    if (response) this.#asked.delete(response.request_seq);
    this.#sent.fire(message as vscode.DebugProtocolMessage);
  }

  #end(sentence = 'The debugger in the node has ended.'): void {
    for (const [number, command] of this.#asked) {
      const answer = { seq: 0, type: 'response', request_seq: number, success: false, command };
      this.#sent.fire({ ...answer, message: sentence });
    }
    this.#asked.clear();
    this.#sent.fire({ seq: 0, type: 'event', event: 'terminated' });
  }
}
