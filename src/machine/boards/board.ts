import type { DeviceContext } from '../../devices/context.ts';
import type { VioDevice } from '../../devices/vio/vio-device.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import type { PciBus } from '../../pci/bus.ts';
import type { InterruptLog } from '../../pci/interrupts.ts';
import type { TypeRegistry } from '../../qom/type-registry.ts';
import type { DeviceAddContext } from '../../qom/device-add.ts';
import type { InterruptLines } from '../interrupt-lines.ts';
import type { MachineTree } from '../tree.ts';
import type { MachineType } from '../types.ts';

/** What a board is built from. */
export interface BoardParts {
  readonly type: MachineType;
  readonly types: TypeRegistry;
  readonly tree: MachineTree;
  /** What its devices get, its own vIOMMUs included. */
  readonly context: DeviceContext;
  /** What processors see; its root is empty until the board fills it. */
  readonly memory: AddressSpace;
  /** The I/O ports of machines that have some. */
  readonly io: AddressSpace;
  readonly lines: InterruptLines;
  /** RAM in bytes. */
  readonly memorySize: bigint;
  /** The image that `-bios` names. */
  readonly firmware?: Uint8Array;
}

/** What a machine has from the start: RAM, buses, what answers at fixed addresses, and perhaps a vIOMMU of its own. */
export interface Board {
  /** Null without PCI. */
  readonly rootBus: PciBus | null;
  /** The interrupt messages that would have reached a processor; null where none can be sent. */
  readonly interrupts: InterruptLog | null;
  /** Devices that do DMA from another bus than PCI, in a fixed order. */
  devicesBeyondPci(): readonly VioDevice[];
  /** Adds the devices that are part of the board and that users see as their own: root ports. Called once. */
  populate(context: DeviceAddContext): void;
  /** What firmware does at each start, if the machine models one. */
  boot(): void;
  /** Returns what is at fixed addresses to its state at start. */
  reset(): void;
}
