import type { TranslationControl, TranslationFaultReport } from '../../../src/iommu/intel/invalidation.ts';
import { resolveIntelProperties } from '../../../src/iommu/intel/properties.ts';
import { RegisterLevel } from '../../../src/iommu/intel/register-level.ts';
import { REGISTERS_BASE, REGISTERS_SIZE, registerDefinitions } from '../../../src/iommu/intel/registers.ts';
import type { PageGroupResponse } from '../../../src/iommu/intel/descriptors.ts';
import { RamBlock } from '../../../src/memory/ram-block.ts';
import { MemoryRegion } from '../../../src/memory/region.ts';
import { MemoryTopology } from '../../../src/memory/topology.ts';
import { OperationCounter } from '../../../src/core/operation.ts';

type Given = Parameters<typeof resolveIntelProperties>[0];

/** What the register level asked of the translation side, call by call. */
function fakeTranslation(): { translation: TranslationControl; calls: [string, unknown][] } {
  const calls: [string, unknown][] = [];
  const heard =
    (name: string) =>
    (scope?: unknown): void => {
      calls.push([name, scope]);
    };
  const translation: TranslationControl = {
    setRoot: heard('setRoot'),
    setEnabled: heard('setEnabled'),
    invalidateContext: heard('context'),
    invalidateIotlb: heard('iotlb'),
    invalidatePasidIotlb: heard('pasid-iotlb'),
    invalidatePasidCache: heard('pasid-cache'),
    invalidateDeviceIotlb: heard('device-iotlb'),
    reset: heard('reset'),
  };
  return { translation, calls };
}

/** The register level alone in a machine of 256 MiB: guest memory, its registers, and a log of interrupts. */
export function registerRig(given: Given = { intremap: 'off' }) {
  const properties = resolveIntelProperties(given);
  const operations = new OperationCounter();
  const topology = new MemoryTopology(operations);
  const system = MemoryRegion.container(topology, 'system', 1n << 64n);
  system.addSubregion(0n, MemoryRegion.ram(topology, 'ram', new RamBlock('ram', 0x1000_0000n, operations)));
  const messages: { address: bigint; data: number; requester?: number }[] = [];
  const apic = MemoryRegion.mmio(topology, 'apic-msi', 0x10_0000n, {
    read: () => 0n,
    write: (offset, _size, value, { requester }) =>
      messages.push({
        address: 0xfee0_0000n + BigInt(offset),
        data: Number(value),
        ...(requester !== undefined && { requester }),
      }),
    valid: { min: 4, max: 4 },
  });
  system.addSubregion(0xfee0_0000n, apic);
  const memory = topology.createAddressSpace('memory', system);
  const { translation, calls } = fakeTranslation();
  const recorded: TranslationFaultReport[] = [];
  const responses: PageGroupResponse[] = [];
  const level = new RegisterLevel({
    properties,
    systemMemory: memory,
    translation,
    onRecorded: (fault) => recorded.push(fault),
    onPageResponse: (response) => responses.push(response),
  });
  system.addSubregion(REGISTERS_BASE, MemoryRegion.mmio(topology, 'intel_iommu', BigInt(REGISTERS_SIZE), level.mmio));
  const interrupts = MemoryRegion.mmio(topology, 'vtd-ir', 0x10_0000n, level.interruptRange);
  const root = MemoryRegion.container(topology, 'device', 1n << 64n);
  root.addSubregion(0xfee0_0000n, interrupts);
  const device = topology.createAddressSpace('device', root);

  const places = new Map(registerDefinitions(properties).map(({ name, offset, width }) => [name, { offset, width }]));
  const place = (name: string): { offset: number; width: number } => {
    const found = places.get(name);
    if (found === undefined) throw new Error(`no register ${name}`);
    return found;
  };
  const bytesOf = (value: bigint, size: number): Uint8Array => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, value, true);
    return bytes.subarray(0, size);
  };
  const readAt = (address: bigint, size: number): bigint => {
    const bytes = new Uint8Array(8);
    memory.read(address, bytes.subarray(0, size));
    return new DataView(bytes.buffer).getBigUint64(0, true);
  };
  return {
    level,
    memory,
    messages,
    calls,
    recorded,
    responses,
    /** A register, whole. */
    read: (name: string): bigint => readAt(REGISTERS_BASE + BigInt(place(name).offset), place(name).width),
    write: (name: string, value: bigint): void => {
      const { offset, width } = place(name);
      memory.write(REGISTERS_BASE + BigInt(offset), bytesOf(value, width));
    },
    readAt: (offset: number, size: number): bigint => readAt(REGISTERS_BASE + BigInt(offset), size),
    writeAt: (offset: number, size: number, value: bigint) =>
      memory.write(REGISTERS_BASE + BigInt(offset), bytesOf(value, size)),
    /** 64-bit words into guest memory. */
    put: (address: bigint, ...words: bigint[]): void => {
      for (const [at, word] of words.entries()) memory.write(address + BigInt(8 * at), bytesOf(word, 8));
    },
    word: (address: bigint): bigint => readAt(address, 8),
    /** A device's 4-byte write into the interrupt range. */
    interrupt: (address: bigint, data: number, requester?: number) =>
      device.write(address, bytesOf(BigInt(data), 4), requester === undefined ? {} : { requester, message: true }),
  };
}

export type RegisterRig = ReturnType<typeof registerRig>;
