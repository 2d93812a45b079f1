import { permissionNames } from '../memory/access.ts';
import type { HeldEvents, ModelEventData, ModelEvents } from '../trace/model-events.ts';
import type { IotlbMessage } from './messages.ts';

/** Tells of the messages between vhost and the process; INVALIDATEs of one operation that touch become one event. */
export class MessageEvents implements HeldEvents {
  /** Behind the vIOMMU's events, which tell of the cause. */
  readonly rank = 1;
  readonly #device: () => string;
  readonly #events: ModelEvents;
  #run: { readonly iova: bigint; end: bigint; dropped: number } | null = null;

  constructor(device: () => string, events: ModelEvents) {
    this.#device = device;
    this.#events = events;
  }

  /** @param dropped how many ranges an INVALIDATE took out */
  add(message: IotlbMessage, dropped = 0): void {
    if (message.type !== 'invalidate') {
      this.release();
      this.#emit(describe(message));
      return;
    }
    const { iova, size } = message;
    const run = this.#run;
    if (run !== null && run.end === iova) {
      run.end += size;
      run.dropped += dropped;
    } else {
      this.release();
      this.#run = { iova, end: iova + size, dropped };
    }
    this.#events.hold(this);
  }

  release(): void {
    const run = this.#run;
    if (run === null) return;
    this.#run = null;
    this.#emit({ type: 'invalidate', iova: run.iova, last: run.end - 1n, dropped: run.dropped });
  }

  #emit(data: Omit<ModelEventData<'VHOST_IOTLB_MESSAGE'>, 'device'>): void {
    this.#events.emit('VHOST_IOTLB_MESSAGE', { device: this.#device(), ...data });
  }
}

function describe(
  message: Exclude<IotlbMessage, { type: 'invalidate' }>,
): Omit<ModelEventData<'VHOST_IOTLB_MESSAGE'>, 'device'> {
  const { type, iova, access } = message;
  const permissions = permissionNames(access);
  if (message.type !== 'update') return { type, iova, permissions };
  return { type, iova, last: iova + message.size - 1n, 'user-address': message.userAddress, permissions };
}
