import { describe, expect, it } from 'vitest';
import { DmaAgent } from '../../src/devices/dma-agent.ts';
import { DeviceTlb } from '../../src/devices/device-tlb.ts';
import { Permission } from '../../src/memory/access.ts';
import { MachineRig } from '../machine/support.ts';

const IOVA = 0x4000_0000n;

function rig(unit: Record<string, unknown>, agent: Record<string, unknown>) {
  const all = new MachineRig({ devices: [{ values: { driver: 'intel-iommu', 'scalable-mode': true, ...unit } }] });
  const refused = all.add({ driver: 'dma-agent', id: 'agent0', ...agent });
  const { machine } = all;
  const command = (body: () => unknown): string => all.command(body);
  const dma = (write: boolean, address: bigint, pasid?: number): string =>
    command(() => {
      const device = machine.findDevice('agent0');
      const tag = pasid === undefined ? {} : { pasid };
      return machine.dmas.run({ device, write, address, data: new Uint8Array(8).fill(7), ...tag });
    });
  const driver = machine.guests.driverOf(machine.units[0]!);
  const enable = () => command(() => driver.enable('scalable', { address: 0x100_0000n, size: 0x20_0000n }));
  const order = () => ({ sourceId: machine.findDevice('agent0').requesterId(), iova: IOVA, size: 0x1000n });
  const map = (permissions: ('read' | 'write')[], pasid?: number): string =>
    command(() => driver.map({ ...order(), address: 0x20_0000n, permissions, ...(pasid && { pasid }) }));
  const unmap = (pasid?: number): string =>
    command(() => driver.unmap({ ...order(), flush: true, ...(pasid && { pasid }) }));
  const agentOf = (): DmaAgent => {
    const found = machine.findDevice('agent0');
    if (!(found instanceof DmaAgent)) throw new Error('agent0 is another device');
    return found;
  };
  return { model: all.model, machine, refused, dma, driver, enable, map, unmap, agentOf, command };
}

describe('dma-agent', () => {
  it('is hot-pluggable behind a root port, and goes again', () => {
    const { machine, refused, command } = rig({}, {});
    expect(refused).toBe('{}');
    expect(machine.findDevice('agent0').bus.busName).toBe('rp0');
    expect(command(() => machine.deviceDelete('agent0'))).toBe('{}');
    expect(() => machine.findDevice('agent0')).toThrow('not found');
  });

  it('moves data with and without PASID through the unit, and nothing before the guest maps it', () => {
    const { dma, enable, map } = rig({ 'pasid-bits': 20 }, {});
    expect(dma(true, 0x20_0000n)).toBe('{}');
    enable();
    expect(dma(true, IOVA)).toContain('faulted');
    expect(map(['read', 'write'])).toBe('{}');
    expect(map(['read'], 5)).toBe('{}');
    expect(dma(true, IOVA)).toBe('{}');
    expect(dma(false, IOVA, 5)).toBe('{}');
    expect(dma(true, IOVA + 8n, 6)).toContain('faulted');
  });

  it('issues no PASID without the property', () => {
    const { dma } = rig({ 'pasid-bits': 20 }, { pasid: false });
    expect(dma(false, IOVA, 5)).toContain("Device 'agent0' issues no requests with PASID; add it with pasid=on");
  });

  it('with ATS asks, caches by PASID and right, and forgets at an invalidation of the device', () => {
    const { agentOf, dma, enable, map, model, unmap } = rig({ 'pasid-bits': 20, 'device-iotlb': true }, { ats: true });
    enable();
    map(['read']);
    map(['read', 'write'], 5);
    model.length = 0;
    expect(dma(false, IOVA)).toBe('{}');
    expect(dma(false, IOVA)).toBe('{}');
    expect(dma(true, IOVA)).toContain('answered without the right to write');
    expect(dma(true, IOVA, 5)).toBe('{}');
    const { cache } = agentOf();
    expect({ entries: cache.entries, hits: cache.hits, misses: cache.misses }).toEqual({
      entries: 2,
      hits: 1,
      misses: 3,
    });
    unmap(5);
    expect(cache.entries).toBe(1);
    expect(dma(true, IOVA, 5)).toContain('answered without the right to write');
    unmap();
    expect(cache.entries).toBe(0);
    expect(model.map(({ name }) => name)).not.toContain('IOMMU_FAULT');
  });

  it('with ATS needs a unit that answers: device-iotlb=on', () => {
    const { refused, machine } = rig({}, { ats: true });
    expect(refused).toMatch(/requires device IOTLB mode/);
    expect(() => machine.findDevice('agent0')).toThrow('not found');
  });

  it('comes back with its cache', () => {
    const { agentOf, dma, enable, machine, map, unmap } = rig(
      { 'pasid-bits': 20, 'device-iotlb': true },
      { ats: true },
    );
    enable();
    map(['read'], 5);
    dma(false, IOVA, 5);
    const state = structuredClone(agentOf().save());
    expect(state.heard).toEqual([null, 5]);
    agentOf().restore(state);
    expect(agentOf().save()).toEqual(state);
    unmap(5);
    expect(agentOf().cache.entries).toBe(0);
    expect(machine.units[0]!.deviceSpaces().flatMap(({ region }) => region.notifiers)).toHaveLength(1);
  });
});

describe('its cache', () => {
  const entry = (iova: bigint, size = 4096n) => ({
    iova,
    address: iova + 0x1_0000n,
    size,
    permissions: Permission.read,
  });

  it('finds by address, PASID and right; new entries replace what they cover; the oldest makes room', () => {
    const cache = new DeviceTlb(2);
    cache.insert(null, entry(0x1000n));
    expect(cache.lookup(null, 0x1fffn, Permission.read)?.address).toBe(0x1_1000n);
    expect(cache.lookup(null, 0x2000n, Permission.read)).toBeNull();
    expect(cache.lookup(3, 0x1000n, Permission.read)).toBeNull();
    expect(cache.lookup(null, 0x1000n, Permission.write)).toBeNull();
    cache.insert(null, entry(0n, 0x20_0000n));
    expect(cache.entries).toBe(1);
    cache.insert(3, entry(0x1000n));
    cache.insert(4, entry(0x1000n));
    expect(cache.lookup(null, 0x1000n, Permission.read)).toBeNull();
    cache.drop(3, 0n, 0x1000n);
    expect(cache.entries).toBe(2);
    cache.drop(3, 0x1800n, 1n);
    expect(cache.entries).toBe(1);
  });
});
