import { describe, expect, it } from 'vitest';
import type { AddressSpace } from '../../src/memory/address-space.ts';
import { RamBlock } from '../../src/memory/ram-block.ts';
import { MemoryRegion } from '../../src/memory/region.ts';
import { AddressSpaceTableMemory, LookOnlyTableMemory } from '../../src/memory/table-memory.ts';
import { bytes, newTopology, ram, recordingRegisters } from './support.ts';

const ENTRY = bytes(0x67, 0x45, 0x23, 0xf1, 0xef, 0xcd, 0xab, 0x89);

function machine(): { space: AddressSpace; system: MemoryRegion; low: MemoryRegion; block: RamBlock } {
  const topology = newTopology();
  const system = MemoryRegion.container(topology, 'system', 1n << 64n);
  const block = new RamBlock('ram', 0x4000n, topology.operations);
  const memory = MemoryRegion.ram(topology, 'ram', block);
  const low = MemoryRegion.alias(topology, 'low', memory, 0n, 0x2000n);
  system.addSubregion(0n, low);
  system.addSubregion(0x1_0000_0000n, MemoryRegion.alias(topology, 'high', memory, 0x2000n, 0x2000n));
  return { space: topology.createAddressSpace('memory', system), system, low, block };
}

describe('AddressSpaceTableMemory', () => {
  it('reads entries as two unsigned halves, from every range', () => {
    const { space, block } = machine();
    block.write(0x1ff8, ENTRY);
    block.write(0x2008, bytes(1));
    const memory = new AddressSpaceTableMemory(space);
    expect([memory.read(0x1ff8), memory.low, memory.high]).toEqual([true, 0xf1234567, 0x89abcdef]);
    expect([memory.read(0x1_0000_0008), memory.low, memory.high]).toEqual([true, 1, 0]);
    expect([memory.read(0x1ff8), memory.low]).toEqual([true, 0xf1234567]);
    expect([memory.read(0), memory.low, memory.high]).toEqual([true, 0, 0]);
  });

  it('answers false where nothing is, and then still reads elsewhere', () => {
    const { space, block } = machine();
    block.write(0, ENTRY);
    const memory = new AddressSpaceTableMemory(space);
    expect(memory.read(0x2000)).toBe(false);
    expect(memory.read(2 ** 51)).toBe(false);
    expect(memory.read(-8)).toBe(false);
    expect(memory.setBits(0x2000, 1)).toBe(false);
    expect(memory.locate(0x2000)).toBeNull();
    expect([memory.read(0), memory.low]).toEqual([true, 0xf1234567]);
  });

  it('follows what the topology shows', () => {
    const { space, low, block } = machine();
    block.write(8, bytes(5));
    const memory = new AddressSpaceTableMemory(space);
    expect(memory.read(8)).toBe(true);
    low.setEnabled(false);
    expect(memory.read(8)).toBe(false);
    low.setEnabled(true);
    low.setReadonly(true);
    expect([memory.read(8), memory.low]).toEqual([true, 5]);
    expect(memory.setBits(8, 2)).toBe(false);
  });

  it('sets bits in the low half', () => {
    const { space, block } = machine();
    const memory = new AddressSpaceTableMemory(space);
    expect(memory.setBits(0x10, 0x8000_0020)).toBe(true);
    expect([memory.read(0x10), memory.low, memory.high]).toEqual([true, 0x8000_0020, 0]);
    expect(block.readU8(0x10)).toBe(0x20);
  });

  it('says where an entry lies, for watching it', () => {
    const { space, block } = machine();
    const memory = new AddressSpaceTableMemory(space);
    expect(memory.locate(0x1_0000_0010)).toEqual({ block, offset: 0x2010 });
  });

  it('reads entries that lie askew in their block, across two regions, or in registers', () => {
    const { space, system, low, block } = machine();
    const { topology } = system;
    const other = ram(topology, 'other', 0x1000n);
    system.addSubregion(0x2000n - 4n, other, 1);
    system.addSubregion(
      0x8000n,
      MemoryRegion.mmio(topology, 'registers', 8n, recordingRegisters({}, () => 7n).operations),
    );
    block.write(0x1ff8, ENTRY);
    other.block?.write(0, bytes(1, 2, 3, 4, 5));
    const memory = new AddressSpaceTableMemory(space);
    expect([memory.read(0x1ff8), memory.low, memory.high]).toEqual([true, 0xf1234567, 0x04030201]);
    expect([memory.read(0x2000), memory.low]).toEqual([true, 5]);
    expect([memory.read(0x8000), memory.low, memory.high]).toEqual([true, 7, 7]);
    expect(memory.isWritable(0x8000)).toBe(false);
    expect(low.enabled).toBe(true);
  });
});

describe('LookOnlyTableMemory', () => {
  it('answers as the other one, and writes nothing', () => {
    const { space, low, block } = machine();
    block.write(0, ENTRY);
    const before = block.touchedBytes;
    const memory = new LookOnlyTableMemory(space);
    expect([memory.read(0), memory.low]).toEqual([true, 0xf1234567]);
    expect(memory.setBits(0, 8)).toBe(true);
    expect(memory.setBits(0x1000, 8)).toBe(true);
    expect(memory.setBits(0x2000, 8)).toBe(false);
    expect([memory.read(0), memory.low]).toEqual([true, 0xf1234567]);
    expect(block.touchedBytes).toBe(before);
    low.setReadonly(true);
    expect(memory.setBits(0, 8)).toBe(false);
  });
});
