import { CommandError } from '../core/errors.ts';
import type { HostFunction } from '../host/function.ts';
import type {
  IommuObject,
  IotlbFlush,
  ObjectEvent,
  ObjectListener,
  PasidCacheFlush,
  PasidTable,
} from '../memory/iommu-object.ts';

const EVENTS: readonly ObjectEvent[] = ['bind', 'unbind', 'flush-iotlb', 'flush-pasid-cache'];

/**
 * Carries what the vIOMMU says about one device to the host function behind it. It hangs on the IOMMU object of the
 * device's address space, which exists whether or not that space shows an IOMMU region now: in bypass, where no
 * region notifier can be registered, this one still is. It belongs to the device, not to the container, since two
 * devices of a container may sit behind different IOMMU objects.
 */
export class GuestIommuObject implements ObjectListener {
  readonly name = 'vfio-guest-iommu-object';
  readonly kind = 'vfio';
  readonly device: string;
  readonly #object: IommuObject;
  readonly #function: HostFunction;
  readonly #isShadowed: () => boolean;

  /**
   * @param device its id, or its QOM path where it has none
   * @param isShadowed whether the device's container maps I/O-virtual addresses now, instead of guest-physical ones
   */
  constructor(device: string, object: IommuObject, hostFunction: HostFunction, isShadowed: () => boolean) {
    this.device = device;
    this.#object = object;
    this.#function = hostFunction;
    this.#isShadowed = isShadowed;
  }

  register(): void {
    this.#object.register(this, EVENTS);
  }

  /** A table that is still bound is unbound on the way: the object asks its listener to let go. */
  unregister(): void {
    this.#object.unregister(this);
  }

  /**
   * @throws CommandError when the host refuses the table, or cannot walk it because the device is translated; the one
   *   before stays bound then
   */
  bind(table: PasidTable): void {
    if (this.#isShadowed()) {
      throw new CommandError(
        `Device '${this.device}' is translated by its vIOMMU, so the host maps I/O-virtual addresses for it and cannot ` +
          'walk a PASID table in guest-physical memory; switch it with iommu-set-bypass, mode bypass, first',
      );
    }
    this.#function.bindPasidTable(table);
  }

  unbind(): void {
    this.#function.unbindPasidTable();
  }

  domainIdOf(pasid: number): number | null {
    return this.#function.domainIdOf(pasid);
  }

  flushIotlb(flush: IotlbFlush): number {
    return this.#function.flushIotlb(flush);
  }

  flushPasidCache(flush: PasidCacheFlush): number {
    return this.#function.flushPasidCache(flush);
  }
}
