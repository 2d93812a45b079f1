/** Page requests inside the machine: who enables them, and what becomes of those that are open. */
import { describe, expect, it } from 'vitest';
import { pageGroupsOf } from '../../src/devices/page-groups.ts';
import type { PageResponse } from '../../src/memory/page-request.ts';
import type { Gpa } from '../../src/core/address.ts';
import { MachineRig } from './support.ts';

const UNIT = {
  driver: 'intel-iommu',
  'scalable-mode': true,
  'caching-mode': true,
  fsts: true,
  'device-iotlb': true,
  'pasid-bits': 20,
  svm: true,
};
const IOVA = 0x4000_0000n;
const PASID = 5;
/** A process's page table of four levels: all of IOVA's path but the last entry. */
const TABLES = [0x10_2000n, 0x10_3000n, 0x10_4000n, 0x10_5000n] as const;

function rig(device: Record<string, unknown>, objects: readonly Record<string, unknown>[] = []) {
  const all = new MachineRig({ devices: [{ values: UNIT }] });
  const { machine, model } = all;
  const command: MachineRig['command'] = (body) => all.command(body);
  const store = (address: bigint, value: bigint): void => {
    machine.memory.write(address, new Uint8Array(new BigUint64Array([value]).buffer));
  };
  for (const values of objects) command(() => machine.objectAdd(values));
  const refused = all.add({ id: 'dev0', ...device });
  const found = () => machine.findPciDevice('dev0');
  const driver = machine.guests.driverOf(machine.units[0]!);
  store(TABLES[0], TABLES[1] | 7n);
  store(TABLES[1] + 8n, TABLES[2] | 7n);
  store(TABLES[2], TABLES[3] | 7n);
  command(() => driver.enable('scalable', { address: 0x100_0000n, size: 0x20_0000n }));
  const sourceId = () => found().requesterId();
  const bind = () => command(() => driver.bindPageTable({ sourceId: sourceId(), pasid: PASID, pageTable: TABLES[0] }));
  const unbind = () => command(() => driver.unbindPageTable({ sourceId: sourceId(), pasid: PASID, flush: true }));
  /** Maps the page with that number, counted from IOVA. */
  const map = (page: number): void => store(TABLES[3] + BigInt(8 * page), (0x20_0000n + BigInt(page) * 0x1000n) | 7n);
  const dma = (pages = 1): void => {
    const order = { device: found(), write: false, address: IOVA, data: new Uint8Array(pages * 4096), pasid: PASID };
    command((afterReply) => machine.dmas.start(order, 'hex', afterReply));
  };
  const respond = (group: number, response: PageResponse = 'success'): string =>
    command(() => pageGroupsOf(found())!.respond({ group, response }));
  const requests = () => model.flatMap((event) => (event.name === 'IOMMU_PAGE_REQUEST' ? [event.data] : []));
  const ended = () => model.flatMap((event) => (event.name === 'DMA_COMPLETED' ? [event.data] : []));
  const blamed = () => model.flatMap((event) => (event.name === 'MODEL_CHECK_FAILED' ? [event.data.desc] : []));
  return { machine, command, refused, found, bind, unbind, map, dma, respond, requests, ended, blamed };
}

const assigned = { driver: 'vfio-pci', host: '0000:3b:00.0' };
const agent = { driver: 'dma-agent', ats: true, pri: true };
const EXTENDED_ID = 0x13;

/** Where the page request capability lies; 0 without. */
function capabilityOf(device: ReturnType<ReturnType<typeof rig>['found']>): number {
  for (let at = 0x100; at !== 0; at = device.readConfig(at + 2, 2) >> 4) {
    if (device.readConfig(at, 2) === EXTENDED_ID) return at;
  }
  return 0;
}

describe('an assigned function', () => {
  it('asks for pages once its driver has enabled it in configuration space, and not after a reset', () => {
    const { found, bind, dma, requests, ended, machine, command, respond } = rig(assigned);
    bind();
    dma();
    expect([requests().length, ended().at(-1)?.status]).toEqual([0, 'error']);
    const at = capabilityOf(found());
    command(() => found().writeConfig(at + 4, 2, 1));
    dma();
    expect([requests().length, ended().length]).toEqual([1, 1]);
    // While it is enabled the reset bit does nothing; stopped, the open requests stay; then they are forgotten.
    command(() => found().writeConfig(at + 4, 2, 3));
    command(() => found().writeConfig(at + 4, 2, 0));
    expect([pageGroupsOf(found())!.openGroups, found().readConfig(at + 4, 2)]).toEqual([[0], 0]);
    command(() => found().writeConfig(at + 4, 2, 2));
    expect([pageGroupsOf(found())!.openGroups, found().readConfig(at + 4, 2)]).toEqual([[], 0]);
    expect(ended().at(-1)?.desc).toContain('The device was reset while it waited for a page');
    expect(respond(0)).toContain('none is');
    command(() => found().writeConfig(at + 4, 2, 1));
    command((afterReply) => machine.reset(afterReply));
    expect(found().readConfig(at + 4, 2)).toBe(0);
    expect(machine.host.findFunction({ segment: 0, bus: 0x3b, device: 0, function: 0 })?.pages.enabled).toBe(false);
  });

  it('shows no capability with pri=off', () => {
    expect(capabilityOf(rig({ ...assigned, pri: 'off' }).found())).toBe(0);
    expect(capabilityOf(rig(assigned).found())).not.toBe(0);
  });

  it("is reset with the machine: what it waited for is nobody's fault", () => {
    const { bind, dma, requests, ended, blamed, machine, command } = rig({ ...assigned, pri: 'on' });
    bind();
    dma();
    expect(requests()).toHaveLength(1);
    command((afterReply) => machine.reset(afterReply));
    expect(ended()).toMatchObject([{ status: 'error', desc: expect.stringContaining('was reset') as string }]);
    expect(blamed()).toEqual([]);
  });

  it('with contract iommufd loses its requests with the PASID that made them', () => {
    const values = { ...assigned, pri: 'on', iommufd: 'fd0' };
    const { refused, bind, unbind, dma, requests, ended, blamed } = rig(values, [{ 'qom-type': 'iommufd', id: 'fd0' }]);
    expect(refused).toBe('{}');
    bind();
    dma();
    expect(requests()).toHaveLength(1);
    unbind();
    expect(ended()).toMatchObject([
      { status: 'error', desc: expect.stringContaining('its PASID was detached') as string },
    ]);
    expect(blamed()).toHaveLength(1);
  });

  it('keeps its open requests in a saved state', () => {
    const { bind, dma, machine, respond, ended, map } = rig({ ...assigned, pri: 'on' });
    bind();
    dma(2);
    const state = structuredClone(machine.host.save());
    expect(state.functions.find(({ pages }) => pages.enabled)?.pages.groups.open).toMatchObject([
      { index: 0, pasid: PASID, pages: [IOVA, IOVA + 0x1000n] },
    ]);
    machine.host.restore(state);
    expect(machine.host.save()).toEqual(state);
    for (const page of [0, 1]) map(page);
    expect(respond(0)).toBe('{}');
    // The transfer itself was not saved here: it waits for an answer that went to the state before.
    expect(ended()).toEqual([]);
  });

  it("whose table a command bound asks by event alone: the guest's queue stays empty", () => {
    const { machine, command, found, dma, requests } = rig({ ...assigned, pri: 'on' });
    const object = machine.units[0]!.deviceSpaces().find(
      ({ addressSpace }) => addressSpace === found().addressSpace,
    )!.iommuObject;
    const store = (address: bigint, ...words: bigint[]): void => {
      machine.memory.write(address, new Uint8Array(new BigUint64Array(words).buffer));
    };
    store(0x11_0000n, 0x11_1001n);
    store(0x11_1000n + 64n * BigInt(PASID), 0x41n, 5n, TABLES[0]);
    const table = { address: 0x11_0000n as Gpa, size: 0x2_0000n, format: 'vtd-scalable' } as const;
    command(() => object.bind(table, 'command'));
    dma();
    expect(requests()).toMatchObject([{ device: 'dev0', pasid: PASID, address: IOVA }]);
    const tail = new Uint8Array(8);
    machine.memory.read(0xfed9_00c8n, tail);
    expect([...tail]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe('a dma-agent', () => {
  it("asks in groups, and takes a command's answer", () => {
    const { bind, dma, requests, respond, ended, map } = rig(agent);
    bind();
    map(1);
    dma(4);
    expect(requests().map(({ address, group, last }) => [address - IOVA, group, last])).toEqual([
      [0n, 0, false],
      [0x2000n, 0, false],
      [0x3000n, 0, true],
    ]);
    for (const page of [0, 2, 3]) map(page);
    expect(respond(0)).toBe('{}');
    expect(ended()).toMatchObject([{ status: 'ok' }]);
  });

  it('leaves its requests unanswered when it is unplugged', () => {
    const { bind, dma, ended, blamed, machine, command } = rig(agent);
    bind();
    dma();
    expect(command((afterReply) => machine.deviceDelete('dev0', afterReply))).toBe('{}');
    expect(ended()).toMatchObject([
      { status: 'error', desc: expect.stringContaining("'dev0' was unplugged") as string },
    ]);
    expect(blamed()).toEqual([
      "Page request group 0 of device 'dev0', for 0x40000000 with PASID 5, got no response before the device was removed",
    ]);
  });

  it('makes none without pri=on', () => {
    const { found } = rig({ driver: 'dma-agent', ats: true });
    expect(pageGroupsOf(found())).toBeNull();
  });
});
