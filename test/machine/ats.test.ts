/** Address translation services of assigned functions inside the machine: who switches them, and what reaches them. */
import { describe, expect, it } from 'vitest';
import type { DeviceTlbFlush } from '../../src/memory/host-device.ts';
import { MachineRig } from './support.ts';

const UNIT = {
  driver: 'intel-iommu',
  'scalable-mode': true,
  'caching-mode': true,
  fsts: true,
  'device-iotlb': true,
  'pasid-bits': 20,
};
const IOVA = 0x4000_0000n;
const PASID = 5;
/** A process's page table of four levels: all of IOVA's path. */
const TABLES = [0x10_2000n, 0x10_3000n, 0x10_4000n, 0x10_5000n] as const;
const [FIRST, SECOND] = [0x20_0000n, 0x20_1000n];
const ATS = 0x0f;
const ENABLE = 0x8000;

function rig(device: Record<string, unknown> = {}, objects: readonly Record<string, unknown>[] = []) {
  const all = new MachineRig({ devices: [{ values: UNIT }] });
  const { machine, model } = all;
  const command: MachineRig['command'] = (body) => all.command(body);
  const store = (address: bigint, value: bigint): void => {
    command(() => machine.memory.write(address, new Uint8Array(new BigUint64Array([value]).buffer)));
  };
  for (const values of objects) command(() => machine.objectAdd(values));
  const refused = all.add({ driver: 'vfio-pci', host: '0000:3b:00.0', id: 'dev0', ...device });
  const found = () => machine.findPciDevice('dev0');
  const fn = machine.host.findFunction({ segment: 0, bus: 0x3b, device: 0, function: 0 })!;
  const unit = machine.units[0]!;
  const driver = machine.guests.driverOf(unit);
  store(TABLES[0], TABLES[1] | 7n);
  store(TABLES[1] + 8n, TABLES[2] | 7n);
  store(TABLES[2], TABLES[3] | 7n);
  store(FIRST, 1n);
  store(SECOND, 2n);
  const map = (page: bigint): void => store(TABLES[3], page | 7n);
  map(FIRST);
  command(() => driver.enable('scalable', { address: 0x100_0000n, size: 0x20_0000n }));
  const sourceId = (): number => found().requesterId();
  const bind = () => command(() => driver.bindPageTable({ sourceId: sourceId(), pasid: PASID, pageTable: TABLES[0] }));
  const unbind = () => command(() => driver.unbindPageTable({ sourceId: sourceId(), pasid: PASID, flush: true }));
  /** What a DMA reads; the number of the page that it got. */
  const read = (): string => {
    const order = { device: found(), write: false, address: IOVA, data: new Uint8Array(1), pasid: PASID };
    const from = model.length;
    command((afterReply) => machine.dmas.start(order, 'hex', afterReply));
    const ended = model.slice(from).find((event) => event.name === 'DMA_COMPLETED');
    return ended?.data.data ?? ended?.data.status ?? 'nothing';
  };
  const stale = () =>
    model.splice(0).flatMap((event) => (event.name === 'HOST_STALE_TRANSLATION' ? [event.data.cache] : []));
  const flush = (scope: DeviceTlbFlush) =>
    command(() => found().bus.effectiveIommuOps()!.flushDeviceIotlb!(found().bus, found().devfn, scope));
  const reset = () => command((afterReply) => machine.reset(afterReply));
  return { machine, command, model, refused, found, fn, bind, unbind, map, read, stale, flush, reset };
}

/** Where the capability lies; 0 without. */
function capabilityOf(device: ReturnType<ReturnType<typeof rig>['found']>): number {
  for (let at = 0x100; at !== 0; at = device.readConfig(at + 2, 2) >> 4) {
    if (device.readConfig(at, 2) === ATS) return at;
  }
  return 0;
}

describe('address translation services', () => {
  it('are switched by the guest in configuration space', () => {
    const { found, fn, bind, read, command } = rig();
    bind();
    expect([fn.atsEnabled, read(), fn.deviceCache?.size]).toEqual([false, '01', 0]);
    const control = capabilityOf(found()) + 6;
    command(() => found().writeConfig(control, 2, ENABLE));
    expect([fn.atsEnabled, read(), fn.deviceCache?.size]).toEqual([true, '01', 1]);
    command(() => found().writeConfig(control + 1, 1, 0));
    expect([fn.atsEnabled, fn.deviceCache?.size]).toEqual([false, 0]);
  });

  it('end with a reset, and with ats=on only lose what was kept', () => {
    for (const ats of ['auto', 'on']) {
      const { found, fn, bind, read, command, reset } = rig({ ats });
      const control = capabilityOf(found()) + 6;
      command(() => found().writeConfig(control, 2, ENABLE));
      bind();
      read();
      expect(fn.deviceCache?.size).toBe(1);
      reset();
      expect([fn.deviceCache?.size, fn.atsEnabled, found().readConfig(control, 2)]).toEqual([0, ats === 'on', 0]);
    }
  });

  it('are not shown with ats=off, and cannot be on without the host', () => {
    expect(capabilityOf(rig({ ats: 'off' }).found())).toBe(0);
    const { refused, fn } = rig({ ats: 'on' }, [{ 'qom-type': 'host-iommu', id: 'h', ats: false }]);
    expect(refused).toBe(
      "Property 'vfio-pci.ats' cannot be 'on': host function 0000:3b:00.0 keeps no translations here; that takes ats=on " +
        'of the host-function and of the host-iommu, and a PCI Express port',
    );
    expect(fn.device).toBeNull();
  });

  it('leave with the device', () => {
    const { fn, command, machine } = rig({ ats: 'on' });
    expect(fn.atsEnabled).toBe(true);
    command((afterReply) => machine.deviceDelete('dev0', afterReply));
    expect([fn.device, fn.atsEnabled]).toEqual([null, false]);
  });
});

describe('an invalidation', () => {
  it("by the guest's descriptor reaches the device, and has been done when the wait behind it is", () => {
    const { bind, unbind, read, stale, fn, model } = rig({ ats: 'on' });
    bind();
    expect(read()).toBe('01');
    model.splice(0);
    unbind();
    const told = model.flatMap((event) => (event.name === 'IOMMU_DEVICE_IOTLB_FLUSHED' ? [event.data] : []));
    expect(told).toMatchObject([{ device: 'dev0', pasid: PASID, origin: 'guest', dropped: 1 }]);
    expect(fn.deviceCache?.size).toBe(0);
    expect(read()).toBe('error');
    expect(stale()).toEqual([]);
  });

  it('by command reaches the device alone', () => {
    const { bind, map, read, stale, flush, fn, command } = rig({ ats: 'on' });
    bind();
    read();
    map(SECOND);
    expect([read(), stale()]).toEqual(['01', ['iotlb', 'device']]);
    command(() => fn.flushIotlb({ granularity: 'global', leafOnly: false }));
    expect([read(), stale()]).toEqual(['01', ['device']]);
    flush({ pasid: PASID, address: IOVA, size: 0x1000n });
    expect([read(), stale()]).toEqual(['02', []]);
  });

  it('of the IOTLB is enough with contract iommufd', () => {
    const { bind, map, read, stale, fn, command } = rig({ ats: 'on', iommufd: 'fd0' }, [
      { 'qom-type': 'iommufd', id: 'fd0' },
    ]);
    bind();
    read();
    map(SECOND);
    expect([read(), stale()]).toEqual(['01', ['iotlb', 'device']]);
    command(() => fn.flushIotlb({ granularity: 'page', pasid: PASID, address: IOVA, size: 0x1000n, leafOnly: true }));
    expect([read(), stale()]).toEqual(['02', []]);
  });
});
