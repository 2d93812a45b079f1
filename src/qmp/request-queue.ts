import type { WireValue } from '../wire/values.ts';

/** Input that was no JSON; it is answered when its turn comes, like a request. */
export class ParseFailure {
  /** The whole sentence, "JSON parse error, …". */
  readonly desc: string;

  constructor(desc: string) {
    this.desc = desc;
  }
}

/** What may wait its turn. */
export type Message = WireValue | ParseFailure;

/** In-band requests that a session with out-of-band execution may have waiting, the running one not counted. */
const OUT_OF_BAND_QUEUE = 8;

/**
 * In-band requests that wait for the one that runs. A session without out-of-band execution never has any: it does
 * not read while a command runs. One with it reads on, for what comes may be out-of-band, until the queue is full.
 */
export class RequestQueue {
  #messages: Message[] = [];

  get length(): number {
    return this.#messages.length;
  }

  /** True when nothing more may be read until one has been taken off. */
  get full(): boolean {
    return this.#messages.length >= OUT_OF_BAND_QUEUE;
  }

  add(message: Message): void {
    this.#messages.push(message);
  }

  /** Takes the oldest off. Call only when there is one. */
  take(): Message {
    const message = this.#messages.shift();
    if (message === undefined) throw new Error('the request queue is empty');
    return message;
  }

  clear(): void {
    this.#messages = [];
  }
}
