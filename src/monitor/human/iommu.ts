import { CommandError } from '../../core/errors.ts';
import { IntelIommuUnit, type IntelTableEntry } from '../../iommu/intel/unit.ts';
import type { Machine } from '../../machine/machine.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import { formatDevfn } from '../../pci/address.ts';
import type { PciDevice } from '../../pci/device.ts';
import type { HumanCommand } from './command.ts';
import { pageTableText } from './iommu-page-table.ts';
import { pageTableOf, words } from './iommu-tables.ts';

const hex = (value: bigint | number, digits: number): string => value.toString(16).padStart(digits, '0');
const word = (value = 0n): string => `0x${hex(value, 16)}`;

/**
 * `info iommu`: what a kernel's driver for Intel's IOMMU shows of it in debugfs, in the same layout, so that what a
 * guest prints can be compared line by line. Without a device the registers, the entries and the queue; with one its
 * page tables.
 */
export function iommuTopic(machine: Machine): HumanCommand {
  return {
    names: ['iommu'],
    parameters: [{ kind: 'string', name: 'device', optional: true }],
    usage: '[device]',
    help: 'show vIOMMU registers, table entries and invalidation queue, or the page tables of a device',
    run: ({ strings: [name] }) => {
      if (name !== undefined) return deviceText(machine, machine.findPciDevice(name));
      const units = machine.units.filter((unit) => unit instanceof IntelIommuUnit);
      const { memory } = machine;
      return units.map((unit) => `${registersText(unit)}${contextsText(unit)}${queueText(unit, memory)}`).join('');
    },
  };
}

/** Linux's `iommu_regset`. */
function registersText(unit: IntelIommuUnit): string {
  const lines = unit.registers.registers().map(({ name, offset, value }) => {
    return `${name.padEnd(16)}\t0x${hex(offset, 2)}\t\t${word(value)}\n`;
  });
  const head = `IOMMU: ${unit.name} Register Base Address: ${hex(unit.registersBase, 1)}\n`;
  return `${head}Name\t\t\tOffset\t\tContents\n${lines.join('')}\n`;
}

/** Linux's `dmar_translation_struct`. */
function contextsText(unit: IntelIommuUnit): string {
  if (unit.mode === 'off') return `DMA Remapping is not enabled on ${unit.name}\n\n`;
  const lines = [...unit.tables()].map(contextLine);
  const head = `IOMMU ${unit.name}: Root Table Address: 0x${hex(unit.root.address, 1)}\n`;
  return `${head}B.D.F\tRoot_entry\t\t\t\tContext_entry\t\t\t\tPASID\tPASID_table_entry\n${lines.join('')}\n`;
}

function contextLine({ bus, devfn, root, context, pasid, pasidEntry = [] }: IntelTableEntry): string {
  const place = `${hex(bus, 2)}:${formatDevfn(devfn)}`;
  const entries = `${word(root[1])}:${word(root[0])}\t${word(context[1])}:${word(context[0])}`;
  const [low, middle, high] = pasidEntry;
  return `${place}\t${entries}\t${String(pasid ?? -1).padEnd(6)}\t${word(high)}:${word(middle)}:${word(low)}\n`;
}

/** What a driver notes of a descriptor: free, in use, done. */
const STATUS = { free: 0, pending: 1, done: 2 } as const;
/** Bits of IQA. */
const QUEUE = { wide: 1n << 11n, pointer: 0x000f_ffff_ffff_f000n, size: 7n } as const;

/** Linux's `invalidation_queue`. */
function queueText(unit: IntelIommuUnit, memory: AddressSpace): string {
  if (!unit.registers.queueEnabled) return `Invalidation queue is not enabled on ${unit.name}\n\n`;
  const registers = new Map(unit.registers.registers().map(({ name, value }) => [name, value]));
  const address = registers.get('IQA') ?? 0n;
  const wide = (address & QUEUE.wide) !== 0n;
  const count = 1 << (Number(address & QUEUE.size) + (wide ? 7 : 8));
  const place = (name: string): number => Number((registers.get(name) ?? 0n) >> (wide ? 5n : 4n));
  const [head, tail] = [place('IQH'), place('IQT')];
  const size = wide ? 4 : 2;
  const ring = words(memory, address & QUEUE.pointer, count * size);
  const lines = Array.from({ length: count }, (_, index) => {
    const values = ring.slice(index * size, (index + 1) * size);
    const pending = (index - head + count) % count < (tail - head + count) % count;
    const past = values.some((value) => value !== 0n) ? STATUS.done : STATUS.free;
    const texts = [...values, pending ? STATUS.pending : past].map((value) => hex(value, 16));
    return `${String(index).padStart(5)}\t${texts.join('\t')}\n`;
  });
  const names = Array.from({ length: size }, (_, index) => `qw${index}`);
  return (
    `Invalidation queue on IOMMU: ${unit.name}\n` +
    ` Base: 0x${hex(address & QUEUE.pointer, 1)}\tHead: ${head}\tTail: ${tail}\n` +
    `Index\t\t${[...names, 'status'].join('\t\t\t')}\n${lines.join('')}\n`
  );
}

/** Linux's `domain_translation_struct`, for each PASID of the device. */
function deviceText(machine: Machine, device: PciDevice): string {
  const unit = machine.spaceOf(device)?.unit;
  if (!(unit instanceof IntelIommuUnit)) throw new CommandError(`Device '${device.label}' is behind no vIOMMU`);
  if (unit.mode === 'off') return `DMA Remapping is not enabled on ${unit.name}\n`;
  const { memory } = machine;
  const source = device.requesterId();
  const entries = [...unit.tables()].filter(({ bus, devfn }) => ((bus << 8) | devfn) === source);
  if (entries.length === 0)
    throw new CommandError(`Device '${device.label}' has no entry in the tables of ${unit.name}`);
  const place = `0000:${hex(source >> 8, 2)}:${formatDevfn(source & 0xff)}`;
  return entries.map((entry) => pageTableText(place, entry.pasid ?? null, pageTableOf(entry), memory)).join('');
}
