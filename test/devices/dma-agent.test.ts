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
  const command: MachineRig['command'] = (body) => all.command(body);
  const dma = (write: boolean, address: bigint, pasid?: number): string =>
    command(() => {
      const device = machine.findPciDevice('agent0');
      const tag = pasid === undefined ? {} : { pasid };
      return machine.dmas.run({ device, write, address, data: new Uint8Array(8).fill(7), ...tag });
    });
  const driver = machine.guests.driverOf(machine.units[0]!);
  const enable = () => command(() => driver.enable('scalable', { address: 0x100_0000n, size: 0x20_0000n }));
  const order = () => ({ sourceId: machine.findPciDevice('agent0').requesterId(), iova: IOVA, size: 0x1000n });
  const map = (permissions: ('read' | 'write')[], pasid?: number): string =>
    command(() => driver.map({ ...order(), address: 0x20_0000n, permissions, ...(pasid && { pasid }) }));
  const unmap = (pasid?: number): string =>
    command(() => driver.unmap({ ...order(), flush: true, ...(pasid && { pasid }) }));
  const agentOf = (): DmaAgent => {
    const found = machine.findPciDevice('agent0');
    if (!(found instanceof DmaAgent)) throw new Error('agent0 is another device');
    return found;
  };
  return { model: all.model, machine, refused, dma, driver, enable, map, unmap, agentOf, command };
}

describe('dma-agent', () => {
  it('is hot-pluggable behind a root port, and goes again', () => {
    const { machine, refused, command } = rig({}, {});
    expect(refused).toBe('{}');
    expect(machine.findPciDevice('agent0').bus.busName).toBe('rp0');
    expect(command(() => machine.deviceDelete('agent0'))).toBe('{}');
    expect(() => machine.findPciDevice('agent0')).toThrow('not found');
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
    expect(dma(false, IOVA, 5)).toContain(
      "Device 'agent0' issues no requests with PASID; plug it into a PCI Express port, with pasid=on",
    );
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
    expect(() => machine.findPciDevice('agent0')).toThrow('not found');
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
    expect(
      machine.units[0]!.deviceSpaces().flatMap(({ regions }) => regions.flatMap(({ notifiers }) => notifiers)),
    ).toHaveLength(1);
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

describe('page requests', () => {
  const svm = { fsts: true, 'pasid-bits': 20, 'device-iotlb': true, svm: true };
  const REGISTERS = 0xfed9_0000n;

  /** A transfer of the agent with PASID 5 that waits for its page; and the guest's answer to a group. */
  function waiting() {
    const all = rig(svm, { ats: true, pri: true });
    const { machine, command, enable, map, model } = all;
    enable();
    map(['read'], 5);
    command(() =>
      all.driver.unmap({ sourceId: all.agentOf().requesterId(), iova: IOVA, size: 0x1000n, pasid: 5, flush: true }),
    );
    model.length = 0;
    const start = (): void => {
      const device = machine.findPciDevice('agent0');
      const order = { device, write: false, address: IOVA + 8n, data: new Uint8Array(4), pasid: 5 };
      command((afterReply) => machine.dmas.start(order, 'hex', afterReply));
    };
    const word = (address: bigint): bigint => {
      const bytes = new Uint8Array(8);
      machine.memory.read(address, bytes);
      return new DataView(bytes.buffer).getBigUint64(0, true);
    };
    const store = (address: bigint, value: bigint): void => {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, value, true);
      machine.memory.write(address, bytes);
    };
    const respond = (group: number, code: bigint): void => {
      const queue = word(REGISTERS + 0x90n) & ~0xfffn;
      const tail = word(REGISTERS + 0x88n);
      const source = BigInt(machine.findPciDevice('agent0').requesterId());
      store(queue + tail, 9n | (1n << 4n) | (code << 12n) | (source << 16n) | (5n << 32n));
      for (const at of [16n, 24n]) store(queue + tail + at, 0n);
      store(queue + tail + 8n, BigInt(group) << 3n);
      command(() => store(REGISTERS + 0x88n, tail + 32n));
    };
    const ended = () => model.filter(({ name }) => name === 'DMA_COMPLETED').map(({ data }) => data);
    return { ...all, start, respond, ended, word };
  }

  it('wait for the guest, which maps the page and answers', () => {
    const { start, respond, ended, map, model, machine, word } = waiting();
    start();
    expect(model.map(({ name }) => name)).toEqual(['IOMMU_PAGE_REQUEST']);
    expect(model[0]!.data).toMatchObject({
      device: 'agent0',
      pasid: 5,
      address: IOVA,
      group: 0,
      last: true,
      access: ['read'],
    });
    expect(word(REGISTERS + 0xc8n)).toBe(32n);
    expect(word((word(REGISTERS + 0xd0n) & ~0xfffn) + 8n) & ~0xfffn).toBe(IOVA);
    expect(machine.dmas.pending()).toMatchObject([{ waitingFor: expect.stringContaining('page request') as string }]);
    expect(map(['read'], 5)).toBe('{}');
    expect(ended()).toEqual([]);
    respond(0, 0n);
    expect(ended()).toMatchObject([{ status: 'ok', data: '00000000' }]);
    expect(machine.dmas.pending()).toEqual([]);
  });

  it('fail with the answer, and take the next group the next time', () => {
    const { start, respond, ended, model } = waiting();
    start();
    respond(0, 1n);
    expect(ended()).toMatchObject([
      { status: 'error', desc: expect.stringContaining("answered with 'invalid'") as string },
    ]);
    start();
    expect(model.at(-1)!.data).toMatchObject({ group: 1 });
    respond(0, 0n);
    expect(ended()).toHaveLength(1);
    respond(1, 15n);
    expect(ended().at(-1)).toMatchObject({ desc: expect.stringContaining("answered with 'failure'") as string });
  });

  it('are asked for again when the page is missing all the same', () => {
    const { start, respond, ended, model } = waiting();
    start();
    respond(0, 0n);
    expect(ended()).toEqual([]);
    expect(model.filter(({ name }) => name === 'IOMMU_PAGE_REQUEST')).toHaveLength(2);
  });

  it('are refused where the unit takes none, or without translations of its own', () => {
    const { dma, enable } = rig({ ...svm, svm: false }, { ats: true, pri: true });
    enable();
    expect(dma(false, IOVA, 5)).toMatch(/page request for 0x40000000 with PASID 5 was refused by the unit/);
    expect(rig(svm, { pri: true }).refused).toMatch(/add ats=on/);
  });

  it('on a bus of conventional PCI has neither PASIDs nor translations of its own', () => {
    const devices = [
      { values: { driver: 'intel-iommu' } },
      { values: { driver: 'pcie-pci-bridge', id: 'bridge0', bus: 'rp0' } },
    ];
    const all = new MachineRig({ devices });
    expect(all.add({ driver: 'dma-agent', id: 'agent1', bus: 'bridge0', addr: '2', ats: true })).toContain(
      'a bus of conventional PCI, which has no translation requests',
    );
    expect(all.add({ driver: 'dma-agent', id: 'agent0', bus: 'bridge0', addr: '2' })).toBe('{}');
    const device = all.machine.findPciDevice('agent0');
    const read = (pasid?: number): string =>
      all.command(() => {
        const tag = pasid === undefined ? {} : { pasid };
        return all.machine.dmas.run({ device, write: false, address: 0n, data: new Uint8Array(4), ...tag });
      });
    expect(read()).toBe('{}');
    expect(read(5)).toContain('issues no requests with PASID');
  });
});
