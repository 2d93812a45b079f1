import { type Bdf, formatBdf, formatShortBdf } from '../core/bdf.ts';
import type { PciBus } from '../pci/bus.ts';
import type { PciDevice } from '../pci/device.ts';
import type { Requester } from './unit.ts';

/** Where the requests of a device space come from. */
export interface Place {
  /** Those that send requests from there now, the one that events name first. */
  readonly requesters: readonly Requester[];
  /** What the place is called while nobody is there. */
  readonly name: string;
}

/** One function's place on a PCI bus, whoever is plugged in there. */
export class PciPlace implements Place {
  readonly bus: PciBus;
  readonly devfn: number;

  constructor(bus: PciBus, devfn: number) {
    this.bus = bus;
    this.devfn = devfn;
  }

  /** With the bus number as software programmed it. */
  get bdf(): Bdf {
    return { segment: 0, bus: this.bus.number, device: this.devfn >>> 3, function: this.devfn & 7 };
  }

  /** Requester ID, 16 bits, with the bus number as software programmed it. */
  get sourceId(): number {
    return (this.bus.number << 8) | this.devfn;
  }

  get name(): string {
    return formatShortBdf(this.bdf);
  }

  /** Those whose requests come here: the one in the place, or all that a bridge of conventional PCI speaks for. */
  get functions(): readonly PciDevice[] {
    const { bus, devfn } = this;
    return bus.functions().filter((device) => {
      const alias = bus.aliasOf(device.devfn);
      return alias.bus === bus && alias.devfn === devfn;
    });
  }

  get requesters(): readonly Requester[] {
    return this.functions.map((device) => ({ label: device.label, location: formatBdf(device.bdf()) }));
  }
}
