import { encodeLine } from '../wire/encoder.ts';
import type { Timestamp } from './message.ts';

/**
 * One event on its way to any number of clients. It is printed once for all of them, and once more if some are
 * pretty; a hundred queues that hold it share one text.
 */
export class EventMessage {
  readonly name: string;
  readonly data: object | undefined;
  readonly #timestamp: Timestamp;
  #line: string | undefined;
  #prettyLine: string | undefined;

  constructor(name: string, data: object | undefined, timestamp: Timestamp) {
    this.name = name;
    this.data = data;
    this.#timestamp = timestamp;
  }

  /** The number of a model event (it is a member of its data); undefined for QEMU's own events. */
  get sequence(): number | undefined {
    if (this.data === undefined || !('sequence' in this.data)) return undefined;
    const { sequence } = this.data;
    return typeof sequence === 'number' || typeof sequence === 'bigint' ? Number(sequence) : undefined;
  }

  /** The event as it goes over the wire. */
  line(pretty: boolean): string {
    if (pretty) return (this.#prettyLine ??= this.#encode(true));
    return (this.#line ??= this.#encode(false));
  }

  #encode(pretty: boolean): string {
    const { seconds, microseconds } = this.#timestamp;
    return encodeLine({ timestamp: { seconds, microseconds }, event: this.name, data: this.data }, pretty);
  }
}
