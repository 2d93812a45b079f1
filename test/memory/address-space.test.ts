import { describe, expect, it } from 'vitest';
import { Permission, permissionNames, permits, sentenceOf } from '../../src/memory/access.ts';
import type { AddressSpace } from '../../src/memory/address-space.ts';
import type { IommuObject } from '../../src/memory/iommu-object.ts';
import { RamBlock } from '../../src/memory/ram-block.ts';
import { MemoryRegion } from '../../src/memory/region.ts';
import type { MemoryTopology } from '../../src/memory/topology.ts';
import { MapUnit } from './iommu-unit.ts';
import { bytes, newTopology, ram, recordingRegisters } from './support.ts';

const WHOLE = 1n << 64n;

function machine(): { topology: MemoryTopology; system: MemoryRegion; memory: AddressSpace; block: RamBlock } {
  const topology = newTopology();
  const system = MemoryRegion.container(topology, 'system', WHOLE);
  const block = new RamBlock('ram', 0x10000n, topology.operations);
  system.addSubregion(0n, MemoryRegion.ram(topology, 'ram', block));
  return { topology, system, memory: topology.createAddressSpace('memory', system), block };
}

function readBytes(space: AddressSpace, address: bigint, length: number): number[] {
  const into = new Uint8Array(length).fill(0xee);
  space.read(address, into);
  return [...into];
}

describe('AddressSpace', () => {
  it('moves RAM of any size', () => {
    const { memory } = machine();
    expect(memory.write(0xffdn, bytes(1, 2, 3, 4, 5))).toEqual({ ok: true, good: 5, firstBad: null, error: null });
    expect(readBytes(memory, 0xffcn, 7)).toEqual([0, 1, 2, 3, 4, 5, 0]);
    expect(memory.read(0x10000n, new Uint8Array(0)).ok).toBe(true);
  });

  it('splits a transfer over several regions', () => {
    const { system, memory, topology } = machine();
    const { operations, log } = recordingRegisters({}, () => 0x0d0c0b0an);
    system.addSubregion(0x10000n, MemoryRegion.mmio(topology, 'registers', 4n, operations));
    system.addSubregion(0x10004n, ram(topology, 'more', 0x1000n));
    memory.write(0xfffen, bytes(1, 2, 3, 4, 5, 6, 7, 8));
    expect(log).toEqual(['write 0+4=0x6050403']);
    expect(readBytes(memory, 0xfffen, 8)).toEqual([1, 2, 0x0a, 0x0b, 0x0c, 0x0d, 7, 8]);
  });

  it('reads zeros from a hole, tells where it began, and still moves what lies behind it', () => {
    const { system, memory, topology } = machine();
    system.addSubregion(0x10004n, ram(topology, 'more', 0x1000n));
    const data = bytes(1, 2, 3, 4, 5, 6, 7, 8);
    expect(memory.write(0xfffen, data)).toEqual({ ok: false, good: 4, firstBad: 0x10000n, error: { kind: 'decode' } });
    expect(readBytes(memory, 0xfffen, 8)).toEqual([1, 2, 0, 0, 0, 0, 7, 8]);
    const top = memory.read(WHOLE - 2n, new Uint8Array(4));
    expect(top).toEqual({ ok: false, good: 0, firstBad: WHOLE - 2n, error: { kind: 'decode' } });
  });

  it('does not wrap around at the end of 64 bits', () => {
    const { system, memory, topology } = machine();
    system.addSubregion(WHOLE - 0x1000n, ram(topology, 'top', 0x1000n));
    expect(memory.write(WHOLE - 2n, bytes(1, 2, 3, 4))).toMatchObject({ good: 2, firstBad: WHOLE });
    expect(readBytes(memory, 0n, 2)).toEqual([0, 0]);
    expect(readBytes(memory, WHOLE - 2n, 2)).toEqual([1, 2]);
  });

  it('does not write to ROM, reservations and through write-protected windows', () => {
    const { system, memory, topology, block } = machine();
    const rom = new RamBlock('rom', 0x1000n, topology.operations);
    rom.write(0, bytes(9));
    system.addSubregion(0x20000n, MemoryRegion.rom(topology, 'rom', rom));
    system.addSubregion(0x21000n, MemoryRegion.reservation(topology, 'taken', 0x1000n));
    const window = MemoryRegion.alias(topology, 'window', system.subregions.at(-1)!, 0n, 0x1000n);
    window.setReadonly(true);
    system.addSubregion(0x30000n, window);
    block.write(0, bytes(7));
    for (const address of [0x20000n, 0x21000n, 0x30000n]) {
      expect(memory.write(address, bytes(1))).toMatchObject({ ok: false, good: 0, firstBad: address });
    }
    expect([0x20000n, 0x21000n, 0x30000n].map((address) => readBytes(memory, address, 1)[0])).toEqual([9, 0, 7]);
    expect(memory.read(0x21000n, new Uint8Array(1)).error).toEqual({ kind: 'decode' });
  });

  it('names the IOMMU object and the device behind it, through its operations', () => {
    const { topology, system } = machine();
    const object = { unit: 'iommu0' } as IommuObject;
    const space = topology.createAddressSpace('vtd', system, {
      iommuGet: (asked) => (asked.name === 'vtd' ? object : null),
      device: () => 'net0',
    });
    expect([space.iommuObject(), space.device]).toEqual([object, 'net0']);
    const plain = topology.createAddressSpace('plain', system);
    expect([plain.iommuObject(), plain.device]).toEqual([null, null]);
  });
});

describe('an address space behind an IOMMU region', () => {
  function behind(): ReturnType<typeof machine> & { unit: MapUnit; device: AddressSpace } {
    const parts = machine();
    const unit = new MapUnit(parts.topology, parts.memory);
    const root = MemoryRegion.container(parts.topology, 'root', WHOLE);
    root.addSubregion(0n, unit.region);
    return { ...parts, unit, device: parts.topology.createAddressSpace('device', root) };
  }

  it('goes page by page where the unit says', () => {
    const { unit, device, memory } = behind();
    unit.map(0x1000n, 0x8000n);
    unit.map(0x2000n, 0x3000n);
    device.write(0x1ffen, bytes(1, 2, 3, 4), { pasid: 5 });
    expect(readBytes(memory, 0x8ffen, 2)).toEqual([1, 2]);
    expect(readBytes(memory, 0x3000n, 2)).toEqual([3, 4]);
    expect(unit.asked).toEqual(['write 0x1ffe pasid 5', 'write 0x2000 pasid 5']);
  });

  it('goes on behind a refused page, asked once, whatever its mask', () => {
    const { unit, device, memory } = behind();
    unit.map(0x2000n, 0x3000n);
    unit.map(0x3000n, 0x4000n, 0x1000n, Permission.read);
    const result = device.write(0x1000n, new Uint8Array(0x3000).fill(6));
    const fault = { sentence: 'no mapping at 0x1000', code: 5, reason: 'not-present' };
    expect(result).toEqual({ ok: false, good: 0x1000, firstBad: 0x1000n, error: { kind: 'fault', fault } });
    expect(unit.asked).toEqual(['write 0x1000', 'write 0x2000', 'write 0x3000']);
    expect(readBytes(memory, 0x3fffn, 2)).toEqual([6, 0]);
    const refused = device.write(0x3000n, bytes(1));
    expect(refused.error).toEqual({ kind: 'fault', fault: { sentence: 'dmar lets no write of 0x3000 pass' } });
  });

  it('tells where an address leads', () => {
    const { unit, device, memory, system } = behind();
    unit.map(0x4000n, 0x8000n, 0x4000n, Permission.read);
    expect(device.translate(0x5010n, 'read')).toMatchObject({
      addressSpace: memory,
      address: 0x9010n,
      region: system.subregions[0],
      offset: 0x9010n,
      length: 0x2ff0n,
      permissions: Permission.read,
      mask: 0x3fffn,
      fault: null,
    });
    expect(device.translate(0x9000n, 'none')).toMatchObject({ permissions: 0, fault: null });
    expect(device.translate(0x9000n, 'read')).toMatchObject({ region: null, length: 0x1000n, fault: { code: 5 } });
    expect(memory.translate(0x20000n, 'read')).toMatchObject({ region: null, fault: null, permissions: 0 });
  });

  it('passes through two units, with the smaller page and the common rights', () => {
    const { unit, device, topology } = behind();
    const outer = new MapUnit(topology, device);
    const space = topology.createAddressSpace('nested', outer.region);
    unit.map(0x4000n, 0x8000n, 0x1000n);
    outer.map(0n, 0n, 0x10000n, Permission.read);
    expect(space.translate(0x4010n, 'read')).toMatchObject({
      address: 0x8010n,
      mask: 0xfffn,
      permissions: 1,
      length: 0xff0n,
    });
  });

  it('ends when a translation leads back to itself', () => {
    const { topology, system } = machine();
    const holder = MemoryRegion.container(topology, 'holder', WHOLE);
    const space = topology.createAddressSpace('circle', holder);
    const unit = new MapUnit(topology, space);
    holder.addSubregion(0n, unit.region);
    unit.map(0x1000n, 0x1000n);
    expect(space.read(0x1000n, new Uint8Array(4)).error).toMatchObject({
      kind: 'fault',
      fault: { sentence: 'circle translates 0x1000 in a circle' },
    });
    expect(system.parent).toBeNull();
  });
});

describe('access rights', () => {
  it('have names and meanings', () => {
    expect(permissionNames(Permission.readWrite | Permission.execute)).toEqual(['read', 'write', 'execute']);
    expect(permissionNames(Permission.none)).toEqual([]);
    expect((['none', 'read', 'write', 'execute'] as const).map((access) => permits(Permission.write, access))).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  it('have sentences for what went wrong', () => {
    expect(sentenceOf({ kind: 'decode' }, 0x10n, true)).toBe('Nothing answers a write to address 0x10');
    expect(sentenceOf({ kind: 'device' }, 0x10n, false)).toBe(
      'The device answered a read from address 0x10 with an error',
    );
    expect(sentenceOf({ kind: 'fault', fault: { sentence: 'no' } }, 0x10n, false)).toBe('no');
  });
});
