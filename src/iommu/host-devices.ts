import { CommandError } from '../core/errors.ts';
import type { DeviceTlbFlush, HostIommuDevice } from '../memory/host-device.ts';
import type { Origin } from '../memory/iommu-object.ts';
import type { ModelEvents } from '../trace/model-events.ts';
import type { DeviceSpace } from './unit.ts';

/** The functions of the host that stand behind a unit's device spaces. */
export class HostDevices {
  readonly #unit: () => string;
  readonly #events: ModelEvents;
  /** Behind each space without PASID, in the order in which they came. */
  readonly #bySpace = new Map<DeviceSpace, readonly HostIommuDevice[]>();

  /** @param unit names the unit in events */
  constructor(unit: () => string, events: ModelEvents) {
    this.#unit = unit;
    this.#events = events;
  }

  add(space: DeviceSpace, device: HostIommuDevice): void {
    this.#bySpace.set(space, [...this.#behind(space), device]);
  }

  remove(space: DeviceSpace, device: HostIommuDevice): void {
    const others = this.#behind(space).filter((other) => other !== device);
    this.#bySpace.set(space, others);
  }

  isBehind(space: DeviceSpace): boolean {
    return this.#behind(space).length > 0;
  }

  /**
   * Has those behind a space drop what they keep themselves, and tells of it; returns how many entries went.
   * @throws CommandError for a command that a device failed, after the others have been asked; a guest hears of nothing
   */
  flush(space: DeviceSpace, flush: DeviceTlbFlush, origin: Origin): number {
    const devices = this.#behind(space);
    if (devices.length === 0) return 0;
    const { pasid, address, size } = flush;
    let dropped = 0;
    let failure: CommandError | null = null;
    for (const device of devices) {
      try {
        dropped += device.flushDeviceTlb(flush);
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        failure ??= error;
      }
    }
    this.#events.emit('IOMMU_DEVICE_IOTLB_FLUSHED', {
      iommu: this.#unit(),
      device: space.deviceName,
      ...(pasid === 'all' ? { 'all-pasids': true } : pasid !== undefined && { pasid }),
      address,
      last: address + size - 1n,
      origin,
      dropped,
    });
    if (failure !== null && origin === 'command') throw failure;
    return dropped;
  }

  #behind(space: DeviceSpace): readonly HostIommuDevice[] {
    return this.#bySpace.get(space) ?? [];
  }
}
