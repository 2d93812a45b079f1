import { beforeEach, describe, expect, it } from 'vitest';
import type { Gpa } from '../../src/core/address.ts';
import type { NotifierIommuObject } from '../../src/iommu/object.ts';
import type { PasidTable } from '../../src/memory/iommu-object.ts';
import type { PciDevice } from '../../src/pci/device.ts';
import { MachineRig } from './support.ts';
import { spaceAt } from '../iommu/space-at.ts';

const DIRECTORY = 0x10_0000n;
/** The level-1 entry of IOVA 0x10000. */
const LEAF = 0x10_5080n;
const OLD_PAGE = 0x20_0000n;
const NEW_PAGE = 0x20_1000n;

const table: PasidTable = { address: DIRECTORY as Gpa, size: 0x2_0000n, format: 'vtd-scalable' };

let rig: MachineRig;
let device: PciDevice;
let object: NotifierIommuObject;

function write64(address: bigint, ...values: bigint[]): void {
  rig.command(() => rig.machine.memory.write(address, new Uint8Array(BigUint64Array.from(values).buffer)));
}

function writeText(address: bigint, text: string): void {
  rig.command(() => rig.machine.memory.write(address, Buffer.from(text)));
}

/** What a DMA of the device reads, or the error. */
function read(address: bigint, pasid?: number, of = device): string {
  let text = '';
  const answer = rig.command(() => {
    const order = { device: of, write: false, address, data: new Uint8Array(5), ...(pasid !== undefined && { pasid }) };
    text = Buffer.from(rig.machine.dmas.run(order) as Uint8Array).toString();
  });
  return answer === '{}' ? text : answer;
}

const names = (): string[] => rig.model.splice(0).map(({ name }) => name);

/** PASID 1, domain 5: the page at 0x10000 leads to OLD_PAGE by a first stage of four levels. */
beforeEach(() => {
  rig = new MachineRig();
  write64(DIRECTORY, 0x10_1001n);
  write64(0x10_1040n, 0x41n, 5n, 0x10_2000n);
  write64(0x10_2000n, 0x10_3007n);
  write64(0x10_3000n, 0x10_4007n);
  write64(0x10_4000n, 0x10_5007n);
  write64(LEAF, OLD_PAGE | 7n);
  writeText(OLD_PAGE, 'hello');
  writeText(NEW_PAGE, 'world');
  rig.add({ driver: 'vfio-pci', id: 'nic0', host: '0000:3b:00.0' });
  device = rig.machine.findPciDevice('nic0');
  object = rig.machine.units[0]!.deviceSpaces().find(
    ({ addressSpace }) => addressSpace === device.addressSpace,
  )!.iommuObject;
  rig.model.length = 0;
});

describe('bind, DMA, a stale translation, flush, unbind', () => {
  it('the object notifier is there in bypass, where no region notifier is', () => {
    expect(rig.machine.notifiers()).toEqual([
      {
        device: 'nic0',
        listener: 'vfio-guest-iommu-object',
        kind: 'object',
        events: ['bind', 'unbind', 'flush-iotlb', 'flush-pasid-cache'],
        delivered: 0,
        failed: 0,
      },
    ]);
  });

  it('goes through both stages, and names the flush that is missing', () => {
    expect(read(0x1_0000n, 1)).toContain('failed at 0x10000 after 0 bytes');
    names();

    rig.command(() => object.bind(table, 'command'));
    expect(names()).toEqual(['IOMMU_PASID_TABLE_BOUND']);
    expect(read(0x1_0000n, 1)).toBe('hello');
    expect(names()).toEqual([]);

    write64(LEAF, NEW_PAGE | 7n);
    const changed = rig.machine.operations.last;
    expect(read(0x1_0000n, 1)).toBe('hello');
    const [stale] = rig.model.splice(0);
    expect(stale?.name).toBe('HOST_STALE_TRANSLATION');
    expect(stale?.data).toMatchObject({
      device: 'nic0',
      pasid: 1,
      cache: 'iotlb',
      since: changed,
      cached: { gpa: OLD_PAGE },
      current: { gpa: NEW_PAGE },
      missing: { 'domain-id': 5, pasid: 1 },
    });

    const flush = { granularity: 'page', pasid: 1, address: 0x1_0000n, size: 0x1000n, leafOnly: true } as const;
    let dropped = -1;
    rig.command(() => (dropped = object.flushIotlb(flush, 'command').dropped));
    expect(dropped).toBeGreaterThan(0);
    expect(names()).toEqual(['IOMMU_IOTLB_FLUSHED']);
    expect(read(0x1_0000n, 1)).toBe('world');
    expect(names()).toEqual([]);

    rig.command(() => object.unbind('command'));
    expect(names()).toEqual(['IOMMU_PASID_TABLE_UNBOUND']);
    expect(read(0x1_0000n, 1)).toContain('failed at 0x10000 after 0 bytes');
  });

  it('without PASID the device reaches guest memory by the container alone', () => {
    expect(read(OLD_PAGE)).toBe('hello');
    expect(read(0xf_0000_0000n)).toContain('failed at 0xf00000000 after 0 bytes');
  });

  it('each device has its own table', () => {
    rig.add({ driver: 'vfio-pci', id: 'nic1', host: '0000:3b:00.1' });
    rig.command(() => object.bind(table, 'command'));
    expect(read(0x1_0000n, 1)).toBe('hello');
    expect(read(0x1_0000n, 1, rig.machine.findPciDevice('nic1'))).toContain('failed');
  });

  it('an emulated device takes no table: no listener serves it', () => {
    rig.add({ driver: 'edu', id: 'e0' });
    const iommuObject = rig.machine.findPciDevice('e0').addressSpace.iommuObject()!;
    expect(rig.command(() => iommuObject.bind(table, 'command'))).toContain(
      "No listener takes PASID tables for device 'e0'",
    );
  });

  it('a second bind replaces the first; a refused one leaves it', () => {
    rig.command(() => object.bind(table, 'command'));
    rig.command(() => object.bind({ ...table, size: 8n }, 'command'));
    expect(rig.model.map(({ data }) => data)).toMatchObject([{ replaced: false }, { replaced: true }]);
    expect(read(0x1_0000n, 1)).toBe('hello');
    const outside = { ...table, address: 0xf_0000_0000n as Gpa };
    expect(rig.command(() => object.bind(outside, 'command'))).toContain('0xf00000000');
    expect(read(0x1_0000n, 1)).toBe('hello');
  });

  it('a reset drops the binding and what devices were switched to', () => {
    const [unit] = rig.machine.units;
    rig.command(() => object.bind(table, 'command'));
    rig.command(() => unit!.setBypass(spaceAt(unit!, device.bus, device.devfn), 'translate'));
    names();
    rig.command((afterReply) => rig.machine.reset(afterReply));
    const told = names();
    expect(told[0]).toBe('IOMMU_PASID_TABLE_UNBOUND');
    expect(told).toContain('IOMMU_REGION_SWITCHED');
    expect(object.binding).toBeNull();
    expect(rig.machine.notifiers().map(({ kind }) => kind)).toEqual(['object']);
    expect(read(OLD_PAGE)).toBe('hello');
  });

  it('hot-unplug in the middle leaves the slot clean', () => {
    rig.command(() => object.bind(table, 'command'));
    read(0x1_0000n, 1);
    rig.remove('nic0');
    expect(rig.machine.host.iotlbEntries()).toEqual([]);
    rig.add({ driver: 'vfio-pci', id: 'nic0', host: '0000:3b:00.0' });
    device = rig.machine.findPciDevice('nic0');
    expect(read(0x1_0000n, 1)).toContain('failed');
  });
});

describe('two devices in translated and bypass mode', () => {
  it('each container shows what its own address space does', () => {
    rig.add({ driver: 'vfio-pci', id: 'nic1', host: '0000:3b:00.1' });
    const nic1 = rig.machine.findPciDevice('nic1');
    rig.command(() =>
      rig.machine.units[0]!.setBypass(spaceAt(rig.machine.units[0]!, nic1.bus, nic1.devfn), 'translate'),
    );
    expect(rig.machine.describeVfio()).toMatchObject([
      { id: 0, mappings: 2, listeners: [{ device: 'nic0', kind: 'object' }] },
      {
        id: 1,
        mappings: 0,
        listeners: [
          { device: 'nic1', kind: 'region' },
          { device: 'nic1', kind: 'region' },
          { device: 'nic1', kind: 'object' },
        ],
      },
    ]);
    expect(read(OLD_PAGE)).toBe('hello');
    expect(read(OLD_PAGE, undefined, nic1)).toContain('failed');
  });
});
