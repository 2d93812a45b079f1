import type { WireObject } from '../wire/values.ts';
import type { CommandContext } from './commands.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Session } from './session.ts';

/** One execution of one command: what its handler sees of the session, and what it wants done after the reply. */
export class Call implements CommandContext {
  /** The session that asked. Handlers outside this room see no more of it than a `Client`. */
  readonly client: Session;
  readonly #dispatcher: Dispatcher<Call>;
  #afterReply: (() => void)[] | undefined;

  constructor(client: Session, dispatcher: Dispatcher<Call>) {
    this.client = client;
    this.#dispatcher = dispatcher;
  }

  afterReply(action: () => void): void {
    (this.#afterReply ??= []).push(action);
  }

  prepare(command: string, args: Readonly<Record<string, unknown>> | undefined): () => unknown {
    return this.#dispatcher.prepare(
      { command, outOfBand: false, arguments: args as WireObject | undefined },
      true,
      this,
    );
  }

  /** The reply has been queued: does what was asked for by `afterReply`, in that order. */
  replied(): void {
    if (this.#afterReply === undefined) return;
    for (const action of this.#afterReply) action();
    this.#afterReply = undefined;
  }
}
