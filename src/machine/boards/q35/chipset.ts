import { CommandError } from '../../../core/errors.ts';
import type { OperationCounter } from '../../../core/operation.ts';
import type { AddressSpace } from '../../../memory/address-space.ts';
import type { MmioOperations } from '../../../memory/mmio.ts';
import { RamBlock } from '../../../memory/ram-block.ts';
import { MemoryRegion } from '../../../memory/region.ts';
import type { PciBus } from '../../../pci/bus.ts';
import { ConfigPorts } from '../../../pci/config-access.ts';
import { InterruptLog, type InterruptLogState } from '../../../pci/interrupts.ts';
import type { Snapshottable } from '../../../trace/snapshot.ts';
import { FwCfg, type FwCfgState } from './fw-cfg.ts';
import type { InterruptLines } from '../../interrupt-lines.ts';
import { PinRouter } from './pin-router.ts';

/** Where interrupt messages arrive, and how large that range is. */
const INTERRUPT_RANGE = { start: 0xfee0_0000n, size: 0x10_0000n, priority: 4096 } as const;
const FOUR_GIB = 1n << 32n;
/** Firmware images are made of these. */
const IMAGE_UNIT = 0x1_0000;
/** How much of the end of an image shows below 1 MiB, too. */
const ISA_IMAGE = 0x2_0000n;
const ONE_MIB = 0x10_0000n;

export interface ChipsetParts {
  readonly operations: OperationCounter;
  readonly memory: AddressSpace;
  readonly io: AddressSpace;
  /** What PCI decodes, below the RAM. */
  readonly pci: MemoryRegion;
  readonly rootBus: PciBus;
  readonly lines: InterruptLines;
  /** RAM in bytes. */
  readonly memorySize: bigint;
  /** The image that `-bios` names. */
  readonly firmware?: Uint8Array;
}

export interface ChipsetState {
  config: { address: number };
  fwCfg: FwCfgState;
  interrupts: InterruptLogState;
  pins: { asserted: string[] };
}

/** What a q35 has at fixed addresses and ports: the way to configuration space, interrupts, fw_cfg and firmware. */
export class Chipset implements Snapshottable<ChipsetState> {
  /** The interrupt messages that would have reached a processor. */
  readonly interrupts: InterruptLog;
  readonly #config: ConfigPorts;
  readonly #fwCfg: FwCfg;
  readonly #pins: PinRouter;

  /** @throws CommandError for a firmware image of a size that cannot be mapped */
  constructor(parts: ChipsetParts) {
    const { operations, memory, io, rootBus, lines } = parts;
    const { topology } = memory;
    this.interrupts = new InterruptLog(() => operations.current);
    this.#config = new ConfigPorts(rootBus);
    this.#fwCfg = new FwCfg({ memory, memorySize: parts.memorySize });
    this.#pins = new PinRouter(lines);
    rootBus.onInterruptPin = (slot, pin, level) => this.#pins.drive(slot, pin, level);
    const port = (name: string, first: number, count: number, operationsOf: MmioOperations): void =>
      io.root.addSubregion(BigInt(first), MemoryRegion.mmio(topology, name, BigInt(count), operationsOf));
    topology.transaction(() => {
      port('fwcfg', 0x510, 2, this.#fwCfg.ports);
      port('fwcfg.dma', 0x514, 8, this.#fwCfg.dmaPorts);
      port('pci-conf-idx', 0xcf8, 4, this.#config.addressPort);
      port('pci-conf-data', 0xcfc, 4, this.#config.dataPort);
      const { start, size, priority } = INTERRUPT_RANGE;
      memory.root.addSubregion(start, MemoryRegion.mmio(topology, 'apic-msi', size, this.#messages()), priority);
      if (parts.firmware !== undefined) mapFirmware(parts, parts.firmware);
    });
  }

  reset(): void {
    this.#config.reset();
    this.#fwCfg.reset();
  }

  save(): ChipsetState {
    return {
      config: this.#config.save(),
      fwCfg: this.#fwCfg.save(),
      interrupts: this.interrupts.save(),
      pins: this.#pins.save(),
    };
  }

  restore(state: ChipsetState): void {
    this.#config.restore(state.config);
    this.#fwCfg.restore(state.fwCfg);
    this.interrupts.restore(state.interrupts);
    this.#pins.restore(state.pins);
  }

  /** A message is a write of 4 bytes; what is read there is zeros. */
  #messages(): MmioOperations {
    return {
      read: () => 0n,
      write: (offset, size, value) => {
        if (size === 4) this.interrupts.message(INTERRUPT_RANGE.start + BigInt(offset), Number(value));
      },
    };
  }
}

/** The image ends at 4 GiB, where a processor starts; its last 128 KiB show below 1 MiB, where RAM leaves room. */
function mapFirmware({ operations, memory, pci }: ChipsetParts, image: Uint8Array): void {
  if (image.length === 0 || image.length % IMAGE_UNIT !== 0 || image.length > 0x100_0000) {
    throw new CommandError(
      `the firmware image has ${image.length} bytes; a multiple of ${IMAGE_UNIT} up to 16 MiB can be mapped`,
    );
  }
  const { topology } = memory;
  const size = BigInt(image.length);
  const block = new RamBlock('pc.bios', size, operations);
  block.write(0, image);
  const rom = MemoryRegion.rom(topology, 'pc.bios', block);
  const shown = size < ISA_IMAGE ? size : ISA_IMAGE;
  pci.addSubregion(ONE_MIB - shown, MemoryRegion.alias(topology, 'isa-bios', rom, size - shown, shown), 1);
  pci.addSubregion(FOUR_GIB - size, rom);
}
