import type { HostFunction } from '../host/function.ts';
import type { IotlbFlush, PasidCacheFlush, PasidTable } from '../memory/iommu-object.ts';
import { type GuestCarrier, refuseShadowed } from './guest-carrier.ts';

/**
 * Carries what the vIOMMU says about one device to the host function behind it, by contract `pasid-table`. It is told
 * by the IOMMU object of the device's address space, which exists whether or not that space shows an IOMMU region now:
 * in bypass, where no region notifier can be registered, this one still is. It belongs to the device, not to the
 * container, since two devices of a container may sit behind different IOMMU objects.
 */
export class GuestIommuObject implements GuestCarrier {
  readonly name = 'vfio-guest-iommu-object';
  readonly kind = 'vfio';
  readonly device: string;
  readonly #function: HostFunction;
  readonly #isShadowed: () => boolean;

  /**
   * @param device its id, or its QOM path where it has none
   * @param isShadowed whether the device's container maps I/O-virtual addresses now, instead of guest-physical ones
   */
  constructor(device: string, hostFunction: HostFunction, isShadowed: () => boolean) {
    this.device = device;
    this.#function = hostFunction;
    this.#isShadowed = isShadowed;
  }

  /**
   * @throws CommandError when the host refuses the table, or cannot walk it because the device is translated; the one
   *   before stays bound then
   */
  bind(table: PasidTable): void {
    if (this.#isShadowed()) throw refuseShadowed(this.device);
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
