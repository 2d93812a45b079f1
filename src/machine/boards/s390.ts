import { registerZpciTypes, S390HostBridge } from '../../devices/zpci/host-bridge.ts';
import type { PciBus } from '../../pci/bus.ts';
import { numberBuses } from '../../pci/topology.ts';
import type { Board, BoardParts } from './board.ts';
import { installPlainRam } from './ram.ts';

/**
 * A mainframe: RAM from address 0 on, and a PCI host bridge whose functions are reached by instructions alone. Of
 * these nothing answers in memory.
 */
export class S390Board implements Board {
  readonly rootBus: PciBus;
  readonly interrupts = null;

  /** @throws CommandError when the RAM cannot be had */
  constructor(parts: BoardParts) {
    const { context, memorySize, tree, types } = parts;
    installPlainRam(parts);
    registerZpciTypes(types);
    const bridge = types.require('s390-pcihost').create();
    if (!(bridge instanceof S390HostBridge)) throw new Error('s390-pcihost makes no host bridge');
    tree.machine.addChild('s390-pcihost', bridge);
    bridge.realize(tree.systemBus);
    bridge.build({ context, types, memorySize, adopt: (device) => tree.unattached.addChild('device[*]', device) });
    this.rootBus = bridge.pciBus;
  }

  devicesBeyondPci(): [] {
    return [];
  }

  populate(): void {}

  /** Numbers of buses alone: BARs are not told apart by addresses. */
  boot(): void {
    numberBuses(this.rootBus);
  }

  reset(): void {}
}
