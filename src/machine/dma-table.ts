import { hex } from '../core/address.ts';
import { CommandError } from '../core/errors.ts';
import type { OperationCounter } from '../core/operation.ts';
import { Dma, type DmaPath, type SavedDma } from '../memory/dma.ts';
import type { DmaDevice } from '../devices/dma-device.ts';
import type { ModelEvents } from '../trace/model-events.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import { type DataEncoding, encodeData } from './data-encoding.ts';
import { type AfterReply, AT_ONCE } from './machine-events.ts';

/** A transfer that a device is told to make. */
export interface DmaOrder {
  readonly device: DmaDevice;
  /** From the device to memory. */
  readonly write: boolean;
  readonly address: bigint;
  /** What is written; for a read, as many bytes as are wanted, whose place the result takes. */
  readonly data: Uint8Array;
  readonly pasid?: number;
}

export interface DmaTableParts {
  readonly operations: OperationCounter;
  readonly events: ModelEvents;
  readonly pathOf: (device: DmaDevice) => DmaPath;
}

export interface PendingDma {
  readonly dma: number;
  readonly device: string;
  /** A sentence; null before it has begun. */
  readonly waitingFor: string | null;
}

interface Entry {
  /** The number that the asker knows it by; null for one whose asker waits. */
  readonly id: number | null;
  readonly device: DmaDevice;
  readonly dma: Dma;
}

export interface DmaTableState {
  readonly last: number;
  /** Those under way, in the order in which they began. */
  readonly entries: { id: number | null; device: string; dma: SavedDma }[];
}

/** The transfers that devices make on command. Each runs under the number of the operation that ordered it. */
export class DmaTable implements Snapshottable<DmaTableState> {
  readonly #parts: DmaTableParts;
  #entries: readonly Entry[] = [];
  #last = 0;

  constructor(parts: DmaTableParts) {
    this.#parts = parts;
  }

  /**
   * Makes a transfer whose asker waits for it.
   * @returns the data; a promise of it only when the transfer has to wait for something
   * @throws CommandError when a piece fails; the sentence says how many bytes had moved
   */
  run(order: DmaOrder): Uint8Array | Promise<Uint8Array> {
    const entry = this.#begin(order, null);
    entry.dma.advance();
    if (entry.dma.state !== 'waiting') return resultOf(entry);
    return new Promise((resolve, reject) => {
      entry.dma.onEnd(() => {
        if (entry.dma.failure === null) resolve(entry.dma.data);
        else reject(failureOf(entry));
      });
    });
  }

  /**
   * Makes a transfer that nobody waits for: it begins after the reply that tells its number, and DMA_COMPLETED tells
   * its end, for a read with the data in `encoding`.
   * @returns the number, from 1
   */
  start(order: DmaOrder, encoding: DataEncoding, afterReply: AfterReply = AT_ONCE): number {
    const id = ++this.#last;
    const entry = this.#begin(order, id);
    const device = order.device.label;
    entry.dma.onEnd(({ failure, data, write }) => {
      this.#parts.events.emit('DMA_COMPLETED', {
        dma: id,
        device,
        status: failure === null ? 'ok' : 'error',
        ...(failure === null && !write && { data: encodeData(data, encoding) }),
        ...(failure !== null && { desc: failureOf(entry).message }),
      });
    });
    afterReply(() => void entry.dma.advance());
    return id;
  }

  /** Those with a number that have not ended, by number. */
  pending(): PendingDma[] {
    return this.#entries.flatMap(({ id, device, dma }) =>
      id === null ? [] : [{ dma: id, device: device.label, waitingFor: dma.waitingFor }],
    );
  }

  /** Ends every transfer of `device`, or of all: they fail with `reason`. */
  cancel(reason: string, device?: DmaDevice): void {
    for (const entry of this.#entries) {
      if (device === undefined || entry.device === device) entry.dma.cancel(reason);
    }
  }

  save(): DmaTableState {
    return {
      last: this.#last,
      entries: this.#entries.map(({ id, device, dma }) => ({ id, device: device.label, dma: dma.save() })),
    };
  }

  /** The same transfers must be under way. @throws Error when others are */
  restore(state: DmaTableState): void {
    const name = (id: number | null, device: string): string => `${id ?? 'waited for'} of ${device}`;
    const saved = state.entries.map(({ id, device }) => name(id, device)).join();
    const present = this.#entries.map(({ id, device }) => name(id, device.label)).join();
    if (saved !== present) throw new Error(`The saved transfers are [${saved}], the present ones [${present}]`);
    this.#last = state.last;
    state.entries.forEach(({ dma }, index) => this.#entries[index]!.dma.restore(dma));
  }

  #begin(order: DmaOrder, id: number | null): Entry {
    const { operations } = this.#parts;
    const dma = new Dma({
      operation: operations.current,
      write: order.write,
      address: order.address,
      data: order.data,
      ...(order.pasid !== undefined && { pasid: order.pasid }),
      path: this.#parts.pathOf(order.device),
      operations,
    });
    const entry: Entry = { id, device: order.device, dma };
    this.#entries = [...this.#entries, entry];
    dma.onEnd(() => (this.#entries = this.#entries.filter((other) => other !== entry)));
    return entry;
  }
}

function resultOf(entry: Entry): Uint8Array {
  if (entry.dma.failure !== null) throw failureOf(entry);
  return entry.dma.data;
}

function failureOf({ device, dma }: Entry): CommandError {
  const { failure } = dma;
  const kind = dma.write ? 'write' : 'read';
  const what = `DMA ${kind} of ${dma.data.length} bytes at ${hex(dma.address)} by device '${device.label}'`;
  const where = failure === null ? '' : ` at ${hex(failure.address)}`;
  return new CommandError(
    `${what} failed${where} after ${dma.moved} bytes: ${failure?.sentence ?? 'it has not ended'}`,
  );
}
