import type { VirtualClock } from '../core/clock.ts';
import type {
  IommuObject,
  IotlbFlush,
  ObjectEvent,
  ObjectListener,
  PasidCacheFlush,
  PasidTable,
} from '../memory/iommu-object.ts';
import { FaultPath } from '../trace/fault-path.ts';
import type { FaultPoints } from '../trace/fault-points.ts';
import type { HeldBackState } from '../trace/held-back.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import type { GuestCarrier } from './guest-carrier.ts';

const EVENTS: readonly ObjectEvent[] = ['bind', 'unbind', 'flush-iotlb', 'flush-pasid-cache'];

/** What a listener hears and nobody waits for. */
export type Notice =
  | { readonly kind: 'iotlb'; readonly flush: IotlbFlush }
  | { readonly kind: 'pasid-cache'; readonly flush: PasidCacheFlush };

/**
 * What hangs on the IOMMU object of a device's address space, and passes on to the one that carries it to the host. It
 * is where injected faults meet the listener: a bind can be refused (`bind`), an unbind be answered with an error
 * (`detach`: the host has let go all the same, since a table that only the host knows of would be beyond everybody's
 * reach), and what is heard of a flush can be lost or late (`listener`).
 */
export class VfioListener implements ObjectListener, Snapshottable<HeldBackState<Notice>> {
  readonly name: string;
  readonly kind: ObjectListener['kind'];
  readonly device: string;
  readonly #object: IommuObject;
  readonly #carrier: GuestCarrier;
  readonly #faults: FaultPoints;
  readonly #notices: FaultPath<Notice, number>;
  #leaving = false;

  constructor(carrier: GuestCarrier, object: IommuObject, faults: FaultPoints, clock: VirtualClock) {
    this.name = carrier.name;
    this.kind = carrier.kind;
    this.device = carrier.device;
    this.#object = object;
    this.#carrier = carrier;
    this.#faults = faults;
    this.#notices = new FaultPath({
      point: 'listener',
      faults,
      clock,
      device: () => this.device,
      carryOut: (notice) => this.#hear(notice),
    });
  }

  register(): void {
    this.#object.register(this, EVENTS);
  }

  /** A table that is still bound is unbound on the way: the object asks its listener to let go. */
  unregister(): void {
    this.#leaving = true;
    this.#notices.drop();
    this.#object.unregister(this);
  }

  /** @throws CommandError when the host refuses the table; the one before stays bound then */
  bind(table: PasidTable): void {
    this.#faults.pass('bind', this.device);
    this.#carrier.bind(table);
  }

  unbind(): void {
    this.#carrier.unbind();
    if (!this.#leaving) this.#faults.pass('detach', this.device);
  }

  domainIdOf(pasid: number): number | null {
    return this.#carrier.domainIdOf(pasid);
  }

  flushIotlb(flush: IotlbFlush): number {
    return this.#notices.take({ kind: 'iotlb', flush }) ?? 0;
  }

  flushPasidCache(flush: PasidCacheFlush): number {
    return this.#notices.take({ kind: 'pasid-cache', flush }) ?? 0;
  }

  save(): HeldBackState<Notice> {
    return this.#notices.save();
  }

  restore(state: HeldBackState<Notice>): void {
    this.#notices.restore(state);
  }

  #hear({ kind, flush }: Notice): number {
    return kind === 'iotlb' ? this.#carrier.flushIotlb(flush) : this.#carrier.flushPasidCache(flush);
  }
}
