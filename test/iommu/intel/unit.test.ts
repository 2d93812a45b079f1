import { describe, expect, it } from 'vitest';
import type { Gpa } from '../../../src/core/address.ts';
import { CommandError } from '../../../src/core/errors.ts';
import type { resolveIntelProperties } from '../../../src/iommu/intel/properties.ts';
import type { HostIommuDevice } from '../../../src/memory/host-device.ts';
import { RegionNotifier, type RegionEventType } from '../../../src/memory/iommu-region.ts';
import { memoryTreeText } from '../../../src/memory/tree-text.ts';
import { RecordingListener } from '../support.ts';
import { ALL, RAM_SIZE, rig, withDevice } from './rig.ts';
import { spaceAt } from '../space-at.ts';

function notifier(events: RegionEventType[], told: string[] = []) {
  const notify = ({ type }: { type: string }) => void told.push(type);
  return new RegionNotifier({ name: 'n', device: 'dev0', kind: 'vfio', events, start: 0n, last: ALL - 1n, notify });
}

describe('a device behind the unit', () => {
  it('has one address space, found through its bus, with an IOMMU object', () => {
    const { unit, bus, device, space } = withDevice();
    expect(device.addressSpace).toBe(space.addressSpace);
    expect(unit.getAddressSpace(bus, device.devfn)).toBe(device.addressSpace);
    expect(device.addressSpace.iommuObject()).toBe(space.iommuObject);
    expect(device.addressSpace.device).toBe('dev0');
    expect(space.iommuObject.unit).toBe('iommu0');
    expect(space.iommuObject.device).toBe('dev0');
    expect(unit.getAddressSpace(bus, 0x20)).not.toBe(device.addressSpace);
  });

  it('keeps it after the device is gone, by its place', () => {
    const { device, space, unit } = withDevice();
    const addressSpace = device.addressSpace;
    device.unrealize();
    expect(addressSpace.device).toBeNull();
    expect(space.iommuObject.device).toBe('00:03.0');
    expect(unit.describe().devices).toEqual([]);
  });

  it('has the regions and names of QEMU', () => {
    const { topology, space, unit, bus } = withDevice();
    const tree = memoryTreeText(topology, { disabled: true });
    expect(tree).toContain(
      [
        'address-space: vtd-root',
        '  0000000000000000-ffffffffffffffff (prio 0, i/o): vtd-03.0',
        '    0000000000000000-ffffffffffffffff (prio 0, i/o): alias vtd-nodmar @vtd-nodmar 0000000000000000-ffffffffffffffff',
        '    0000000000000000-ffffffffffffffff (prio 0, i/o): vtd-03.0-dmar [disabled]',
        '      00000000fee00000-00000000feefffff (prio 1, i/o): alias vtd-ir @vtd-ir 0000000000000000-00000000000fffff',
        '    00000000fee00000-00000000feefffff (prio 2, i/o): vtd-no-ir [disabled]',
      ].join('\n'),
    );
    expect(tree).toContain(
      [
        'memory-region: vtd-nodmar',
        '  0000000000000000-ffffffffffffffff (prio 0, i/o): vtd-nodmar',
        '    0000000000000000-ffffffffffffffff (prio 0, i/o): alias vtd-sys-alias @system 0000000000000000-ffffffffffffffff',
        '    00000000fee00000-00000000feefffff (prio 1, i/o): vtd-ir',
      ].join('\n'),
    );
    unit.setBypass(spaceAt(unit, bus, space.devfn), 'translate');
    expect(memoryTreeText(topology)).toContain('vtd-03.0-dmar\n');
  });

  it.each(['bypass', 'translate'] as const)('reaches memory at its own addresses: %s', (mode) => {
    const { unit, bus, device, block, messages } = withDevice();
    unit.setBypass(spaceAt(unit, bus, device.devfn), mode);
    expect(device.addressSpace.write(0x1ffen, Uint8Array.of(1, 2, 3, 4)).ok).toBe(true);
    expect(block.readU32(0x2000) & 0xffff).toBe(0x0403);
    const back = new Uint8Array(4);
    expect(device.addressSpace.read(0x1ffen, back).ok).toBe(true);
    expect([...back]).toEqual([1, 2, 3, 4]);
    expect(device.addressSpace.read(RAM_SIZE, back).ok).toBe(false);

    expect(device.addressSpace.write(0xfee0_1004n, Uint8Array.of(0x41, 0, 0, 0), { requester: 0x18 }).ok).toBe(true);
    expect(messages).toEqual(['24 4100+4=65']);
    expect(device.addressSpace.read(0xfee0_0000n, back).ok).toBe(true);
    expect([...back]).toEqual([0, 0, 0, 0]);
  });
});

describe('switching between bypass and translation', () => {
  it('shows the IOMMU region or plain memory, never both, and tells when it changed', () => {
    const { unit, bus, device, space, seen } = withDevice();
    const log: string[] = [];
    device.addressSpace.addListener({
      priority: 0,
      regionAdd: ({ region }) => log.push(`+${region.name}`),
      regionDelete: ({ region }) => log.push(`-${region.name}`),
    });
    expect(space.bypass).toBe(true);
    log.length = 0;

    unit.setBypass(spaceAt(unit, bus, device.devfn), 'auto');
    unit.setBypass(spaceAt(unit, bus, device.devfn), 'bypass');
    expect([seen, log]).toEqual([[], []]);

    unit.setBypass(spaceAt(unit, bus, device.devfn), 'translate');
    expect(space.bypass).toBe(false);
    const shown = device.addressSpace.flatView.ranges.map(({ region }) => region.name);
    expect(shown).toEqual(['vtd-03.0-dmar', 'vtd-ir', 'vtd-03.0-dmar']);
    const firstAdd = log.findIndex((line) => line.startsWith('+'));
    expect(log.slice(firstAdd).every((line) => line.startsWith('+'))).toBe(true);
    expect(log).toContain('-pc.ram');

    unit.setBypass(spaceAt(unit, bus, device.devfn), 'auto');
    expect(seen.map(({ name, data }) => [name, data])).toEqual([
      ['IOMMU_REGION_SWITCHED', { iommu: 'iommu0', device: 'dev0', bypass: false, sequence: 1, operation: 0 }],
      ['IOMMU_REGION_SWITCHED', { iommu: 'iommu0', device: 'dev0', bypass: true, sequence: 2, operation: 0 }],
    ]);
  });

  it('leaves everything as it was when a listener cannot follow', () => {
    const { unit, bus, device, space, seen } = withDevice();
    const visible = new Set<string>();
    device.addressSpace.addListener({
      priority: 0,
      regionAdd: ({ region }) => {
        if (region === space.region) throw new CommandError('cannot shadow');
        visible.add(region.name);
      },
      regionDelete: ({ region }) => void visible.delete(region.name),
    });
    expect(() => unit.setBypass(spaceAt(unit, bus, device.devfn), 'translate')).toThrow('cannot shadow');
    expect(space.bypass).toBe(true);
    expect(visible).toEqual(new Set(['pc.ram', 'vtd-ir', 'intel_iommu']));
    expect(seen).toEqual([]);
  });

  it('keeps the object notifiers, and replays nothing while remapping is off', () => {
    const { unit, bus, device, space } = withDevice();
    space.iommuObject.register(new RecordingListener('vfio'), ['bind', 'unbind']);
    unit.setBypass(spaceAt(unit, bus, device.devfn), 'translate');
    const told: string[] = [];
    const shadow = notifier(['map', 'unmap'], told);
    space.region.registerNotifier(shadow);
    space.region.replay(shadow);
    expect(told).toEqual([]);
    unit.setBypass(spaceAt(unit, bus, device.devfn), 'bypass');
    expect(space.iommuObject.registrations()).toHaveLength(1);
  });
});

describe('notifiers that could never be served', () => {
  it.each<[string, Parameters<typeof resolveIntelProperties>[0], RegionEventType[]]>([
    [
      'We need to set caching-mode=on for intel-iommu to enable device assignment with IOMMU protection.',
      {},
      ['map', 'unmap'],
    ],
    [
      'Snoop Control with vhost or VFIO is not supported: Operation not supported',
      { 'snoop-control': true, 'caching-mode': true },
      ['unmap'],
    ],
    ['device 00.03.0 requires device IOTLB mode: Operation not supported', {}, ['deviotlb-unmap']],
  ])('are refused: %s', (sentence, given, events) => {
    const { space } = withDevice(given);
    expect(() => space.region.registerNotifier(notifier(events))).toThrow(sentence);
    expect(space.region.notifiers).toEqual([]);
  });

  it('are taken where the properties allow them, and can go again', () => {
    const { space } = withDevice({ 'caching-mode': true, 'device-iotlb': true });
    const all = notifier(['map', 'unmap', 'deviotlb-unmap']);
    space.region.registerNotifier(all);
    space.region.unregisterNotifier(all);
    expect(space.region.notifiers).toEqual([]);
  });
});

describe('host devices', () => {
  const host = (addressBits: number): HostIommuDevice => ({
    name: '0000:3b:00.0',
    capabilities: {
      addressBits,
      pageSizes: [4096n],
      pasidBits: 20,
      nesting: true,
      formats: ['vtd-scalable'],
      ats: true,
      pageRequests: true,
      dirtyTracking: true,
      errata772415: false,
      coherency: true,
    },
    flushDeviceTlb: () => 0,
  });

  it('need caching mode', () => {
    const { unit, bus } = rig({});
    expect(() => unit.attachHostDevice(bus, 0, host(48))).toThrow(
      'Device assignment is not allowed without enabling caching-mode=on for Intel IOMMU.',
    );
  });

  it('need a host that is as wide as the unit', () => {
    const { unit, bus } = rig();
    expect(() => unit.attachHostDevice(bus, 0, host(39))).toThrow('aw-bits 48 > host aw-bits 39');
    unit.attachHostDevice(bus, 0, host(48));
    rig({ 'caching-mode': true, 'aw-bits': 39 }).unit.attachHostDevice(bus, 0, host(39));
  });
});

describe('the unit', () => {
  it('describes itself', () => {
    const { unit, plug } = rig({ 'caching-mode': true, 'scalable-mode': true, 'pasid-bits': 20 });
    plug(5, 'second').addressSpace.iommuObject();
    plug(3, 'first').addressSpace.iommuObject()?.register(new RecordingListener('vfio'), ['bind']);
    unit.deviceSpaces()[0]!.iommuObject.bind({ address: 0x1000n as Gpa, size: 0x1000n, format: 'vtd-ecs' }, 'guest');
    expect(unit.describe()).toEqual({
      id: 'iommu0',
      kind: 'intel-iommu',
      'qom-path': '/machine/peripheral/iommu0',
      mode: 'off',
      capabilities: {
        'aw-bits': 48,
        'pasid-bits': 20,
        'first-stage': false,
        'second-stage': true,
        nested: false,
        'caching-mode': true,
        'device-iotlb': false,
        'page-requests': false,
        registers: [
          { name: 'CAP', value: 0x80d2008c222f0686n },
          { name: 'ECAP', value: 0x499880f00f5an },
        ],
      },
      devices: [
        {
          device: 'first',
          bdf: '0000:00:03.0',
          bypass: true,
          binding: { address: 0x1000n, size: 0x1000n, format: 'vtd-ecs', origin: 'guest' },
        },
        { device: 'second', bdf: '0000:00:05.0', bypass: true },
      ],
      caches: [
        { name: 'context', entries: 0, size: 2, hits: 0, misses: 0 },
        { name: 'iotlb', entries: 0, size: 1024, hits: 0, misses: 0 },
      ],
    });
  });

  it('forgets bindings and switches at a reset', () => {
    const { unit, bus, device, space, seen } = withDevice();
    const listener = new RecordingListener('vfio');
    space.iommuObject.register(listener, ['bind', 'unbind']);
    space.iommuObject.bind({ address: 0x1000n as Gpa, size: 0x1000n, format: 'vtd-scalable' }, 'command');
    unit.setBypass(spaceAt(unit, bus, device.devfn), 'translate');
    seen.length = 0;
    unit.reset();
    expect(listener.table).toBeNull();
    expect(space.bypass).toBe(true);
    expect(seen.map(({ name }) => name)).toEqual(['IOMMU_PASID_TABLE_UNBOUND', 'IOMMU_REGION_SWITCHED']);
    unit.reset();
    expect(seen).toHaveLength(2);
  });

  it('comes back as it was saved', () => {
    const one = withDevice();
    one.space.iommuObject.register(new RecordingListener('vfio'), ['bind', 'unbind']);
    one.space.iommuObject.bind({ address: 0x1000n as Gpa, size: 0x1000n, format: 'vtd-scalable' }, 'guest');
    one.unit.setBypass(spaceAt(one.unit, one.bus, one.device.devfn), 'translate');
    const state = structuredClone(one.unit.save());

    const other = withDevice();
    other.space.iommuObject.register(new RecordingListener('vfio'), ['bind', 'unbind']);
    other.unit.restore(state);
    expect(other.unit.save()).toEqual(state);
    expect(other.space.bypass).toBe(false);
    expect(other.unit.describe()).toEqual(one.unit.describe());
    expect(other.seen).toEqual([]);
    expect(() => rig().unit.restore(state)).toThrow('iommu0 has no device space pcie.0/0x18');
  });
});
