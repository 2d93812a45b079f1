import { CommandError, messageOf } from '../core/errors.ts';
import type {
  BindResult,
  FlushResult,
  IommuObject,
  IotlbFlush,
  ListenerStatus,
  ObjectEvent,
  ObjectListener,
  ObjectRegistration,
  Origin,
  PasidCacheFlush,
  PasidTable,
} from '../memory/iommu-object.ts';
import type { TraceParts } from '../trace/trace.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import { checkIotlbFlush, checkPasidCacheFlush, checkPasidTable } from './requests.ts';

/** A table that is bound, and who bound it. */
export type Binding = PasidTable & { readonly origin: Origin };

interface Registration {
  readonly listener: ObjectListener;
  readonly events: readonly ObjectEvent[];
  delivered: number;
  failed: number;
  /** It accepted the table that is bound now. A listener that came later does not hold it until the next bind. */
  holds: boolean;
}

export interface NotifierIommuObjectState {
  binding: Binding | null;
  /** In the order of registration; listeners are known by name. */
  registrations: { listener: string; delivered: number; failed: number; holds: boolean }[];
}

/** The method of a listener that serves each event. */
const METHOD = {
  bind: 'bind',
  unbind: 'unbind',
  'flush-iotlb': 'flushIotlb',
  'flush-pasid-cache': 'flushPasidCache',
} as const satisfies Record<ObjectEvent, keyof ObjectListener>;

const WHO_LISTENS = 'name a vfio-pci device, an emulated one needs no such notification';

/**
 * The IOMMU object of one device's address space: the listeners that registered with it, and the PASID table that is
 * bound through it.
 *
 * Listeners are called in the order of registration, and each answers with a status. A listener that throws keeps
 * what it had: a refused bind leaves it with its previous table. The binding stands as long as some listener holds
 * it; a table that nobody nests any more is not bound.
 */
export class NotifierIommuObject implements IommuObject, Snapshottable<NotifierIommuObjectState> {
  /** The id or QOM path of the unit. */
  readonly unit: string;
  readonly #device: () => string;
  readonly #bindRefusal: string | null;
  readonly #trace: TraceParts;
  readonly #registrations: Registration[] = [];
  #binding: Binding | null = null;

  /**
   * @param parts.device names the device in events and sentences; it is asked each time, since a space can outlive its
   *   device
   * @param parts.bindRefusal of a unit that knows no PASIDs: the sentence that every bind is refused with
   */
  constructor(parts: { unit: string; device: () => string; bindRefusal?: string } & TraceParts) {
    const { unit, device, bindRefusal, ...trace } = parts;
    this.unit = unit;
    this.#device = device;
    this.#bindRefusal = bindRefusal ?? null;
    this.#trace = trace;
  }

  get binding(): Binding | null {
    return this.#binding;
  }

  /** The name of the device behind this object, as events call it. */
  get device(): string {
    return this.#device();
  }

  /**
   * Adds a listener for the events that are named.
   * @throws Error (a bug of the caller) when it is registered already, or lacks the method for an event
   */
  register(listener: ObjectListener, events: readonly ObjectEvent[]): void {
    if (this.#registrations.some((registration) => registration.listener === listener)) {
      throw new Error(`listener ${listener.name} of ${listener.device} is registered already`);
    }
    if (events.length === 0) throw new Error(`listener ${listener.name} registers for no event`);
    for (const event of events) {
      if (listener[METHOD[event]] === undefined) throw new Error(`listener ${listener.name} cannot serve ${event}`);
    }
    this.#registrations.push({ listener, events: [...new Set(events)], delivered: 0, failed: 0, holds: false });
  }

  /**
   * Removes a listener; one that holds the bound table lets go of it first, and the binding goes with the last holder.
   * @throws Error (a bug of the caller) when it is not registered
   */
  unregister(listener: ObjectListener): void {
    const index = this.#registrations.findIndex((registration) => registration.listener === listener);
    const [registration] = index < 0 ? [] : this.#registrations.splice(index, 1);
    if (registration === undefined) throw new Error(`listener ${listener.name} is not registered`);
    if (!registration.holds) return;
    const statuses = takes(registration, 'unbind') ? [this.#unbindOne(registration)] : [];
    this.#dropUnheldBinding('command', statuses);
  }

  /** Some listener takes the event. */
  serves(event: ObjectEvent): boolean {
    return this.#registrations.some((registration) => takes(registration, event));
  }

  registrations(): readonly ObjectRegistration[] {
    return this.#registrations.map(({ listener, events, delivered, failed }) => ({
      listener,
      events,
      delivered,
      failed,
    }));
  }

  /**
   * Offers `table` to every listener that takes binds, in the place of whatever is bound. When one refuses, those that
   * had accepted get the previous table back, or none, in reverse order, and those behind it are never asked.
   *
   * Taking back can fail too. A listener that refuses its previous table is unbound, so that its device faults rather
   * than translates by a table that was refused; the error then names it, and when no listener is left with the
   * previous table, that table counts as unbound and the event says so.
   *
   * A guest gets no answer to a bind: its refusal is told by an event.
   * @throws CommandError with the sentence of the first listener that refused; when the unit knows no PASIDs; when the
   *   address is not aligned to 4 KiB; when no listener takes binds
   */
  bind(table: PasidTable, origin: Origin): BindResult {
    if (this.#bindRefusal !== null) throw new CommandError(this.#bindRefusal);
    checkPasidTable(table);
    const asked = this.#registrations.filter((registration) => takes(registration, 'bind'));
    if (asked.length === 0) {
      throw new CommandError(`No listener takes PASID tables for device '${this.device}'; ${WHO_LISTENS}`);
    }
    const previous = this.#binding;
    const accepted: { registration: Registration; held: boolean }[] = [];
    const listeners: ListenerStatus[] = [];
    for (const registration of asked) {
      const status = this.#call(registration, (listener) => listener.bind?.(table));
      listeners.push(status);
      if (status.status === 'error') {
        const error = this.#undo(accepted.reverse(), previous, status.desc ?? '', origin);
        if (origin === 'guest') this.#tellRefusal(table, listeners, error.message);
        throw error;
      }
      accepted.push({ registration, held: registration.holds });
    }
    for (const registration of asked) registration.holds = true;
    this.#binding = { ...table, origin };
    const replaced = previous !== null;
    this.#trace.events.emit('IOMMU_PASID_TABLE_BOUND', {
      iommu: this.unit,
      device: this.device,
      address: table.address,
      size: table.size,
      format: table.format,
      replaced,
      origin,
      listeners,
    });
    return { listeners, replaced };
  }

  /**
   * Tells every listener that takes unbinds; the table counts as unbound even for one that failed.
   * @throws CommandError when nothing is bound
   */
  unbind(origin: Origin): ListenerStatus[] {
    if (this.#binding === null) {
      throw new CommandError(`No PASID table is bound for device '${this.device}'; bind one first`);
    }
    const listeners = this.#registrations
      .filter((registration) => takes(registration, 'unbind'))
      .map((registration) => this.#unbindOne(registration));
    for (const registration of this.#registrations) registration.holds = false;
    this.#dropUnheldBinding(origin, listeners);
    return listeners;
  }

  /**
   * Tells every listener that takes IOTLB flushes. A guest flushes whatever devices it has: without a listener nothing
   * is propagated, and no event says so. A domain id that a flush of a PASID leaves out is the one that the first
   * listener who knows the PASID gives; all listeners and the event get the flush with that.
   * @throws CommandError when a member that the granularity needs is missing or out of range; for a command, when
   *   nobody listens
   */
  flushIotlb(asked: IotlbFlush, origin: Origin): FlushResult {
    checkIotlbFlush(asked);
    if (!this.#isServed('flush-iotlb', origin)) return { listeners: [], dropped: 0 };
    const flush = this.#withDomainId(asked);
    const result = this.#flush('flush-iotlb', (listener) => listener.flushIotlb?.(flush) ?? 0);
    this.#trace.events.emit('IOMMU_IOTLB_FLUSHED', {
      iommu: this.unit,
      device: this.device,
      granularity: flush.granularity,
      ...(flush.domainId !== undefined && { 'domain-id': flush.domainId }),
      ...(flush.pasid !== undefined && { pasid: flush.pasid }),
      ...(flush.address !== undefined && { address: flush.address }),
      ...(flush.size !== undefined && { size: flush.size }),
      'leaf-only': flush.leafOnly,
      origin,
      dropped: result.dropped,
      listeners: result.listeners,
    });
    return result;
  }

  /**
   * Tells every listener that takes PASID-cache flushes, under the same rules.
   * @throws CommandError as {@link flushIotlb}
   */
  flushPasidCache(flush: PasidCacheFlush, origin: Origin): FlushResult {
    checkPasidCacheFlush(flush);
    if (!this.#isServed('flush-pasid-cache', origin)) return { listeners: [], dropped: 0 };
    const result = this.#flush('flush-pasid-cache', (listener) => listener.flushPasidCache?.(flush) ?? 0);
    this.#trace.events.emit('IOMMU_PASID_CACHE_FLUSHED', {
      iommu: this.unit,
      device: this.device,
      granularity: flush.granularity,
      ...(flush.domainId !== undefined && { 'domain-id': flush.domainId }),
      ...(flush.pasid !== undefined && { pasid: flush.pasid }),
      origin,
      dropped: result.dropped,
      listeners: result.listeners,
    });
    return result;
  }

  /** A reset of the machine or the unit: drops the binding, whoever made it. */
  reset(origin: Origin = 'command'): void {
    if (this.#binding !== null) this.unbind(origin);
  }

  save(): NotifierIommuObjectState {
    return {
      binding: this.#binding && { ...this.#binding },
      registrations: this.#registrations.map(({ listener, delivered, failed, holds }) => ({
        listener: listener.name,
        delivered,
        failed,
        holds,
      })),
    };
  }

  /** Listeners are objects of the machine: they must be registered as they were, and are not told anything. */
  restore(state: NotifierIommuObjectState): void {
    const names = this.#registrations.map((registration) => registration.listener.name);
    const saved = state.registrations.map((registration) => registration.listener);
    if (names.join() !== saved.join()) {
      throw new Error(
        `the saved listeners of ${this.device} are [${saved.join()}], the present ones [${names.join()}]`,
      );
    }
    this.#binding = state.binding && { ...state.binding };
    this.#registrations.forEach((registration, index) => {
      const { delivered, failed, holds } = state.registrations[index]!;
      Object.assign(registration, { delivered, failed, holds });
    });
  }

  #tellRefusal(table: PasidTable, listeners: ListenerStatus[], desc: string): void {
    const { address, size, format } = table;
    const { unit: iommu, device } = this;
    this.#trace.events.emit('IOMMU_PASID_TABLE_BIND_FAILED', { iommu, device, address, size, format, listeners, desc });
  }

  #isServed(event: ObjectEvent, origin: Origin): boolean {
    if (this.serves(event)) return true;
    if (origin === 'guest') return false;
    throw new CommandError(`No listener takes '${event}' for device '${this.device}'; ${WHO_LISTENS}`);
  }

  #withDomainId(flush: IotlbFlush): IotlbFlush {
    const { granularity, pasid, domainId } = flush;
    if (pasid === undefined || domainId !== undefined || (granularity !== 'pasid' && granularity !== 'page')) {
      return flush;
    }
    for (const { listener } of this.#registrations) {
      const found = listener.domainIdOf?.(pasid) ?? null;
      if (found !== null) return { ...flush, domainId: found };
    }
    return flush;
  }

  #flush(event: ObjectEvent, deliver: (listener: ObjectListener) => number): FlushResult {
    let dropped = 0;
    const listeners = this.#registrations
      .filter((registration) => takes(registration, event))
      .map((registration) =>
        this.#call(registration, (listener) => {
          dropped += deliver(listener);
        }),
      );
    return { listeners, dropped };
  }

  #call(registration: Registration, deliver: (listener: ObjectListener) => void): ListenerStatus {
    const { listener } = registration;
    const { name, device, kind } = listener;
    try {
      deliver(listener);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      registration.failed += 1;
      return { listener: name, device, kind, status: 'error', desc: messageOf(error) };
    }
    registration.delivered += 1;
    return { listener: name, device, kind, status: 'ok' };
  }

  #unbindOne(registration: Registration): ListenerStatus {
    registration.holds = false;
    return this.#call(registration, (listener) => listener.unbind?.());
  }

  /** Gives each listener back what it held before; returns the error that the bind ends with. */
  #undo(
    accepted: readonly { registration: Registration; held: boolean }[],
    previous: Binding | null,
    refusal: string,
    origin: Origin,
  ): CommandError {
    const failures: ListenerStatus[] = [];
    for (const { registration, held } of accepted) {
      if (held && previous !== null) {
        const status = this.#call(registration, (listener) => listener.bind?.(previous));
        if (status.status === 'ok') continue;
        failures.push(status);
      }
      if (!takes(registration, 'unbind')) {
        registration.holds = false;
        continue;
      }
      const status = this.#unbindOne(registration);
      if (status.status === 'error') failures.push(status);
    }
    this.#dropUnheldBinding(origin, failures);
    const notUndone = failures.map(
      ({ listener, desc }) => ` Undoing it on listener '${listener}' failed: ${desc ?? ''}`,
    );
    return new CommandError([refusal, ...notUndone].join('.'));
  }

  #dropUnheldBinding(origin: Origin, listeners: ListenerStatus[]): void {
    const binding = this.#binding;
    if (binding === null || this.#registrations.some((registration) => registration.holds)) return;
    this.#binding = null;
    this.#trace.events.emit('IOMMU_PASID_TABLE_UNBOUND', {
      iommu: this.unit,
      device: this.device,
      address: binding.address,
      size: binding.size,
      format: binding.format,
      origin,
      listeners,
    });
  }
}

function takes(registration: Registration, event: ObjectEvent): boolean {
  return registration.events.includes(event);
}
