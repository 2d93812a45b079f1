import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Gpa } from '../../../src/core/address.ts';
import { Hypercall } from '../../../src/iommu/spapr/hypercalls.ts';
import { RtasToken } from '../../../src/iommu/spapr/rtas.ts';
import { ReverseSearch } from '../../../src/iommu/reverse-search.ts';
import { memoryTreeText } from '../../../src/memory/tree-text.ts';
import { BUID, DYNAMIC, PCI_LIOBN, recording, rig, VIO_REG } from './rig.ts';

const { putTce, stuffTce } = Hypercall;
const BRIDGE = [Number(BUID >> 32n), Number(BUID & 0xffff_ffffn)];

describe('requests', () => {
  it('go where the TCE says, with its rights, and fault by name', () => {
    const { call, memory, pci, seen } = rig();
    call(putTce, PCI_LIOBN, 0x1000n, 0x8001n);
    call(putTce, PCI_LIOBN, 0x2000n, 0x9002n);
    memory.write(0x8010n, Uint8Array.of(7));
    const bytes = new Uint8Array(1);
    expect(pci.addressSpace.read(0x1010n, bytes, { requester: 8 }).ok).toBe(true);
    expect(bytes[0]).toBe(7);
    expect(pci.addressSpace.write(0x2010n, Uint8Array.of(5)).ok).toBe(true);
    memory.read(0x9010n, bytes);
    expect(bytes[0]).toBe(5);
    const reasons = [
      pci.addressSpace.write(0x1010n, bytes),
      pci.addressSpace.read(0x2010n, bytes),
      pci.addressSpace.read(0x3010n, bytes),
    ].map(({ error }) => (error?.kind === 'fault' ? error.fault.reason : null));
    expect(reasons).toEqual(['write-not-permitted', 'read-not-permitted', 'not-mapped']);
    expect(seen.map(({ data }) => data)).toMatchObject([
      { device: 'nic0', address: 0x1000n, access: 'write', code: 4, reason: 'write-not-permitted' },
      { device: 'nic0', address: 0x2000n, access: 'read', code: 3 },
      { device: 'nic0', address: 0x3000n, access: 'read', code: 2 },
    ]);
  });

  it('find nothing outside of the windows, as in QEMU, where no event tells of it', () => {
    const { pci, seen } = rig();
    const { error } = pci.addressSpace.read(0x4000_0000n, new Uint8Array(4));
    expect(error).toEqual({ kind: 'decode' });
    expect(seen).toEqual([]);
  });

  it('see regions with the names of QEMU', () => {
    const { topology } = rig();
    const tree = memoryTreeText(topology, { disabled: true });
    expect(tree).toContain('tce-root-80000000');
    expect(tree).toContain('0000000000000000-000000003fffffff (prio 0, i/o): tce-iommu-80000000');
    expect(tree).toContain('iommu-spapr-bypass @system 0000000000000000-ffffffffffffffff [disabled]');
  });
});

describe('answers about translations', () => {
  it('explain the window and the TCE, and leave no trace', () => {
    const { call, pci, seen, unit } = rig();
    call(putTce, PCI_LIOBN, 0x5000n, 0xab_c003n);
    const answer = unit.translate(pci, { address: 0x5123n, access: 'write', explain: true });
    expect(answer).toMatchObject({
      result: 'translated',
      address: 0xab_c123n,
      size: 0x1000n,
      permissions: ['read', 'write'],
      source: 'walk',
      steps: [
        { structure: 'dma-window', index: 0, address: 0n, raw: [] },
        {
          structure: 'tce',
          index: 5,
          address: 0x5000n,
          raw: [],
          fields: [
            { name: 'read', value: 1n },
            { name: 'write', value: 1n },
            { name: 'page', value: 0xab_c000n },
          ],
        },
      ],
    });
    const faults = [
      { address: 0x6000n, access: 'read' as const },
      { address: 0x4000_0000n, access: 'read' as const },
      { address: 0x5000n, access: 'read' as const, pasid: 1 },
    ].map((request) => unit.translate(pci, request));
    expect(faults).toMatchObject([
      { result: 'fault', reason: 'not-mapped', code: 2 },
      { result: 'fault', reason: 'outside-dma-windows', code: 1 },
      { result: 'fault', reason: 'pasid-not-supported', code: 0 },
    ]);
    expect(unit.iotlbEntries()).toEqual([]);
    expect(seen).toEqual([]);
  });

  it('list what is mapped, neighbours as one, part by part', () => {
    const { call, pci, rtas, unit } = rig();
    rtas(RtasToken.createDmaWindow, [0, ...BRIDGE, 16, 24], 4);
    for (const page of [0n, 1n, 2n]) call(putTce, PCI_LIOBN, 0x1000n * page, (0x10_0000n + 0x1000n * page) | 3n);
    call(putTce, PCI_LIOBN, 0x3000n, 0x10_3001n);
    call(putTce, PCI_LIOBN + 1n, DYNAMIC + 0x2_0000n, 0x20_0003n);
    const all = unit.mappings(pci, { limit: 10 });
    const run = { iova: 0n, address: 0x10_0000n, size: 0x3000n, permissions: ['read', 'write'], 'page-size': 0x1000n };
    expect(all).toEqual({
      mappings: [
        run,
        { ...run, iova: 0x3000n, address: 0x10_3000n, size: 0x1000n, permissions: ['read'] },
        { ...run, iova: DYNAMIC + 0x2_0000n, address: 0x20_0000n, size: 0x1_0000n, 'page-size': 0x1_0000n },
      ],
    });
    expect(unit.mappings(pci, { limit: 1 })).toEqual({ mappings: [run], next: 0x3000n });
    expect(unit.mappings(pci, { limit: 10, start: 0x2000n }).mappings[0]).toMatchObject({
      iova: 0x2000n,
      size: 0x1000n,
    });
    expect(unit.mappings(pci, { limit: 10, start: DYNAMIC + 0x3_0000n })).toEqual({ mappings: [] });
    expect(unit.mappings(pci, { limit: 10, budget: 1 })).toEqual({
      mappings: [{ ...run, size: 0x1000n }],
      next: 0x1000n,
    });
    unit.setBypass(pci, 'bypass');
    expect(unit.mappings(pci, { limit: 10 })).toEqual({ mappings: [] });
  });

  it('find the way back to a page', () => {
    const { call, pci, rtas, unit } = rig();
    rtas(RtasToken.createDmaWindow, [0, ...BRIDGE, 16, 24], 4);
    call(putTce, PCI_LIOBN, 0x7000n, 0x25_1003n);
    call(putTce, PCI_LIOBN + 1n, DYNAMIC, 0x25_0001n);
    const search = () => new ReverseSearch({ address: 0x25_1044n, budget: 100, limit: 10 });
    expect(unit.reverse(pci, search())).toEqual([
      { iova: 0x7044n, size: 0x1000n, permissions: ['read', 'write'] },
      { iova: DYNAMIC + 0x1044n, size: 0x1_0000n, permissions: ['read'] },
    ]);
    unit.setBypass(pci, 'bypass');
    expect(unit.reverse(pci, search())).toMatchObject([{ iova: 0x25_1044n }]);
  });
});

describe('consumers', () => {
  it('find the IOMMU object in bypass or not; it refuses every PASID table', () => {
    const { pci, unit, vio } = rig();
    for (const space of [pci, vio]) {
      expect(space.addressSpace.iommuObject()).toBe(space.iommuObject);
      unit.setBypass(space, 'bypass');
      expect(space.addressSpace.iommuObject()).toBe(space.iommuObject);
    }
    const table = { address: 0x1000n as Gpa, size: 4096n, format: 'vtd-scalable' as const };
    expect(() => pci.iommuObject.bind(table, 'command')).toThrow(
      "vIOMMU '/machine/spapr-tce' has no PASIDs: sPAPR maps pages by TCE tables, and binds no PASID table",
    );
  });

  it('make a table need VFIO while they are registered; none may ask for device-IOTLB invalidations', () => {
    const { call, pci, unit } = rig();
    call(stuffTce, PCI_LIOBN, 0x4000n, 0x6003n, 2n);
    const [region] = pci.regions;
    const needs = () => unit.windows().map((window) => window['need-vfio']);
    expect(needs()).toEqual([false, false]);
    const { notifier } = recording(region!);
    expect(needs()).toEqual([true, false]);
    expect(unit.windows()[0]).toMatchObject({ tces: 0x4_0000, mapped: 2, devices: ['nic0'] });
    region!.unregisterNotifier(notifier);
    expect(needs()).toEqual([false, false]);
    expect(unit.windows()[0]!.mapped).toBe(2);
    expect(() => recording(region!, ['deviotlb-unmap'])).toThrow('spart_tce does not support dev-iotlb yet');
    expect(region!.notifiers).toEqual([]);
  });

  it('hear by replay what is mapped in their range', () => {
    const { call, pci, seen } = rig();
    call(putTce, PCI_LIOBN, 0x4000n, 0x6003n);
    call(putTce, PCI_LIOBN, 0x3fff_f000n, 0x7001n);
    const [region] = pci.regions;
    const { notifier, told } = recording(region!);
    region!.replay(notifier);
    expect(told).toEqual(['+4000:1000>6000/3', '+3ffff000:1000>7000/1']);
    expect(seen.map(({ name }) => name)).toEqual(['IOMMU_MAPPED', 'IOMMU_MAPPED']);
  });

  it('who follow what they are told know what the table maps, after any hypercalls', () => {
    const page = fc.bigInt(0n, 15n);
    const tce = fc.tuple(fc.bigInt(0n, 255n), fc.bigInt(0n, 3n)).map(([frame, rights]) => (frame << 12n) | rights);
    const step = fc.oneof(
      fc.tuple(fc.constant('put' as const), page, tce, fc.constant(1n)),
      fc.tuple(fc.constant('stuff' as const), page, tce, fc.bigInt(0n, 20n)),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { call, unit, vio } = rig();
        const { told } = recording(vio.regions[0]!);
        for (const [kind, index, value, count] of steps) {
          const address = 0xff_0000n + 0x1000n * index;
          if (kind === 'put') call(putTce, BigInt(VIO_REG), address, value);
          else call(stuffTce, BigInt(VIO_REG), address, value, count);
        }
        const shadow = new Map<string, string>();
        for (const one of told) {
          const [, sign = '', iova = '', target = ''] = /^(.)(\w+):1000(.*)$/.exec(one) ?? [];
          expect(shadow.has(iova)).toBe(sign !== '+');
          if (sign === '-') shadow.delete(iova);
          else shadow.set(iova, target);
        }
        const naive = new Map<string, string>();
        for (let index = 0n; index < 16n; index += 1n) {
          const address = 0xff_0000n + 0x1000n * index;
          const value = call(Hypercall.getTce, BigInt(VIO_REG), address).values[0]!;
          if ((value & 3n) !== 0n) naive.set(address.toString(16), `>${(value & ~0xfffn).toString(16)}/${value & 3n}`);
        }
        expect(shadow).toEqual(naive);
        const listed = unit.mappings(vio, { limit: 100 }).mappings.reduce((sum, { size }) => sum + size, 0n);
        expect(listed).toBe(0x1000n * BigInt(naive.size));
      }),
      { numRuns: 60 },
    );
  });
});

describe('a reset', () => {
  it('leaves the default window, empty, and nobody passing by', () => {
    const { call, pci, rtas, unit, vio } = rig();
    rtas(RtasToken.createDmaWindow, [0, ...BRIDGE, 12, 24], 4);
    rtas(RtasToken.setTceBypass, [VIO_REG, 1], 1);
    call(putTce, BigInt(VIO_REG), 0x1000n, 3n);
    const { told } = recording(vio.regions[0]!);
    unit.setBypass(pci, 'bypass');
    unit.reset();
    expect([pci.bypass, pci.forced, vio.bypass]).toEqual([false, false, false]);
    expect(told).toEqual(['-1000:1000']);
    expect(unit.windows().map(({ liobn, mapped }) => [liobn, mapped])).toEqual([
      [Number(PCI_LIOBN), 0],
      [VIO_REG, 0],
    ]);
    unit.setBypass(vio, 'auto');
    expect(vio.bypass).toBe(false);
  });
});

describe('its state', () => {
  it('comes back: windows, TCEs, bypass', () => {
    const one = rig();
    one.rtas(RtasToken.createDmaWindow, [0, ...BRIDGE, 16, 24], 4);
    one.rtas(RtasToken.setTceBypass, [VIO_REG, 1], 1);
    one.call(putTce, PCI_LIOBN + 1n, DYNAMIC, 0x5_0003n);
    one.unit.setBypass(one.pci, 'bypass');
    const state = structuredClone(one.unit.save());
    const other = rig();
    other.unit.restore(state);
    expect(other.unit.save()).toEqual(state);
    expect(other.unit.windows()).toEqual(one.unit.windows());
    expect([other.pci.bypass, other.vio.bypass]).toEqual([true, true]);
    other.unit.setBypass(other.pci, 'auto');
    expect(other.unit.translate(other.pci, { address: DYNAMIC + 5n, access: 'read' })).toMatchObject({
      address: 0x5_0005n,
    });
  });
});
