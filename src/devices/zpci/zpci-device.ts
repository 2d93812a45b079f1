import { CommandError } from '../../core/errors.ts';
import type { ZpciFunction } from '../../iommu/s390/function.ts';
import { Device } from '../../qom/device.ts';
import { bool, type PropertyKind, str, uint16, uint32 } from '../../qom/kinds.ts';
import { deviceProperty } from '../../qom/property.ts';
import { ZpciBus } from './zpci-bus.ts';

/** A function id; null until one is given or chosen. */
const functionId: PropertyKind<number | null> = {
  type: 'zpci_fid',
  showDefault: false,
  parseText: (text, place) => uint32.parseText(text, place),
  parseJson: (value, place) => uint32.parseJson(value, place),
  encode: (value) => value ?? 0,
};

export const zpciProperties = {
  uid: deviceProperty('uid', uint16, 0, { description: 'user-defined id; 0: the smallest that is free' }),
  fid: deviceProperty('fid', functionId, null, { description: 'function id; default the smallest that is free' }),
  target: deviceProperty('target', str, null, { description: 'id of the PCI device' }),
  interpret: deviceProperty('interpret', bool, true),
  forwardingAssist: deviceProperty('forwarding-assist', bool, true),
  relaxedTranslation: deviceProperty('relaxed-translation', bool, true, {
    description: 'an assigned function may register an address space without tables',
  }),
} as const;

/** What stands beside a PCI device on s390: the function's ids, by which software knows it. */
export class ZpciDevice extends Device {
  #function: ZpciFunction | null = null;

  /** The function as the unit knows it. @throws Error before the device is realized */
  get function(): ZpciFunction {
    if (this.#function === null) throw new Error(`${this.label} is not realized`);
    return this.#function;
  }

  protected override onRealize(): void {
    super.onRealize();
    const uid = this.value(zpciProperties.uid);
    const made = this.#bus.unit.addFunction({
      uid: uid === 0 ? null : uid,
      fid: this.value(zpciProperties.fid),
      target: this.value(zpciProperties.target),
      relaxedTranslation: this.value(zpciProperties.relaxedTranslation),
    });
    this.#function = made;
    this.assign(zpciProperties.uid, made.uid);
    this.assign(zpciProperties.fid, made.fid);
  }

  /** @throws CommandError while its PCI device is there: both go together, that one first */
  protected override onUnrealize(): void {
    const { device, target } = this.function;
    if (device !== null) throw new CommandError(`Device '${this.label}' goes with '${target}': remove that one`);
    this.#bus.unit.functions.remove(this.function);
    this.#function = null;
    super.onUnrealize();
  }

  get #bus(): ZpciBus {
    const { parentBus } = this;
    if (parentBus instanceof ZpciBus) return parentBus;
    throw new Error(`${this.label} is on no s390-pcibus`);
  }
}
