import { describe, expect, it } from 'vitest';
import type { GuestMode } from '../../src/guest/guest-driver.ts';
import { createHumanMonitor } from '../../src/monitor/human/commands.ts';
import { DumpFormats } from '../../src/monitor/human/dump-format.ts';
import { createMachine } from '../../src/machine/create.ts';

const identity = { version: { qemu: { major: 7, minor: 2, micro: 22 }, package: '' }, uuid: '' };

/** A machine with an agent, its guest driver, and what `info` prints of it. */
function rig(mode: GuestMode | 'off', properties: Record<string, unknown> = {}) {
  const devices = [
    { values: { driver: 'intel-iommu', id: 'iommu0', ...properties } },
    { values: { driver: 'dma-agent', id: 'agent0', bus: 'pcie.0', addr: '3' } },
  ];
  const machine = createMachine({ devices });
  const monitor = createHumanMonitor(machine, identity, (action) => action(), new DumpFormats());
  const driver = machine.guests.driverOf(machine.units[0]!);
  const sourceId = machine.findPciDevice('agent0').requesterId();
  const run = (body: () => void): void => machine.operations.run(body);
  const mapping = { sourceId, permissions: ['read', 'write'] as const };
  if (mode !== 'off') run(() => driver.enable(mode, { address: 0x100_0000n, size: 0x20_0000n }));
  return { machine, driver, sourceId, run, mapping, info: (what: string) => monitor.execute(`info iommu${what}`) };
}

const section = (text: string, start: string): string[] => {
  const lines = text.split('\r\n');
  const first = lines.findIndex((line) => line.startsWith(start));
  return lines.slice(first, lines.indexOf('', first));
};

describe('info iommu', () => {
  it('lists the registers by name and offset', () => {
    const lines = section(rig('off').info(''), 'IOMMU: ');
    expect(lines.slice(0, 3)).toEqual([
      'IOMMU: iommu0 Register Base Address: fed90000',
      'Name\t\t\tOffset\t\tContents',
      'VER             \t0x00\t\t0x0000000000000010',
    ]);
    expect(lines).toContainEqual('CAP             \t0x08\t\t0x80d2008c222f0606');
  });

  it('says that nothing is on', () => {
    const { info } = rig('off');
    expect(info('')).toContain('DMA Remapping is not enabled on iommu0\r\n');
    expect(info('')).toContain('Invalidation queue is not enabled on iommu0\r\n');
    expect(info(' agent0')).toBe('DMA Remapping is not enabled on iommu0\r\n');
    expect(info(' nope')).toBe("Error: Device 'nope' not found\r\n");
  });

  it('legacy: root and context entries without PASIDs, queue of 16 bytes, page table', () => {
    const { driver, info, mapping, run } = rig('legacy', { 'caching-mode': true });
    expect(info(' agent0')).toBe("Error: Device 'agent0' has no entry in the tables of iommu0\r\n");
    run(() => driver.map({ ...mapping, iova: 0x4000_1000n, address: 0x20_0000n, size: 0x1000n }));
    run(() => driver.map({ ...mapping, iova: 0x20_0000n, address: 0x40_0000n, size: 0x20_0000n }));
    const text = info('');
    const [head, columns, line] = section(text, 'IOMMU iommu0');
    expect(head).toMatch(/^IOMMU iommu0: Root Table Address: 0x1[0-9a-f]{6}$/);
    expect(columns).toBe('B.D.F\tRoot_entry\t\t\t\tContext_entry\t\t\t\tPASID\tPASID_table_entry');
    expect(line).toMatch(
      /^00:03\.0\t0x0{16}:0x0{9}1[0-9a-f]{3}001\t0x0{13}102:0x0{9}1[0-9a-f]{3}001\t-1 {4}\t0x0{16}:0x0{16}:0x0{16}$/,
    );
    const queue = section(text, 'Invalidation queue on');
    expect(queue).toHaveLength(3 + 256);
    expect(queue[1]).toMatch(/^ Base: 0x1[0-9a-f]{6}\tHead: 7\tTail: 7$/);
    expect(queue[2]).toBe('Index\t\tqw0\t\t\tqw1\t\t\tstatus');
    expect(queue[3]).toBe('    0\t0000001800000031\t0000000000000000\t0000000000000002');
    expect(queue.at(-1)).toBe('  255\t0000000000000000\t0000000000000000\t0000000000000000');
    const table = info(' agent0').split('\r\n');
    expect(table[0]).toMatch(/^Device 0000:00:03\.0 @0x1[0-9a-f]{6}$/);
    expect(table[1]!.split(/\s+/)).toEqual(['IOVA_PFN', 'PML5E', 'PML4E', 'PDPE', 'PDE', 'PTE']);
    expect(table[2]).toMatch(/^0x0000000000200 \|\t0x0{16}(\t0x0{9}1[0-9a-f]{3}003){2}\t0x0000000000400083$/);
    expect(table[3]).toMatch(/^0x0000000040001 \|\t0x0{16}(\t0x0{9}1[0-9a-f]{3}003){3}\t0x0000000000200003$/);
  });

  it('scalable: a line and a page table for each PASID, queue of 32 bytes', () => {
    const options = { 'scalable-mode': true, fsts: true, 'pasid-bits': 20 };
    const { driver, info, mapping, run } = rig('scalable', options);
    run(() => driver.map({ ...mapping, iova: 0n, address: 0x20_0000n, size: 0x1000n, pasid: 70 }));
    const lines = section(info(''), 'IOMMU iommu0').slice(2);
    expect(lines.map((line) => line.split('\t')[3])).toEqual(['0     ', '70    ']);
    expect(lines[0]).toMatch(/\t0x0{16}:0x0{15}1:0x0{13}109$/);
    expect(lines[1]).toMatch(/\t0x0{9}1[0-9a-f]{3}000:0x0{15}2:0x0{14}49$/);
    expect(section(info(''), 'Invalidation queue on')[2]).toBe('Index\t\tqw0\t\t\tqw1\t\t\tqw2\t\t\tqw3\t\t\tstatus');
    const table = info(' agent0').split('\r\n');
    expect(table[0]).toBe('Device 0000:00:03.0 with pasid 0 has no page table');
    expect(table[1]).toMatch(/^Device 0000:00:03\.0 with pasid 46 @0x1[0-9a-f]{6}$/);
    expect(table[3]).toMatch(/\t0x8000000000200067$/);
  });

  it('ecs: context entries of two words more, shown as far as the layout has place', () => {
    const { driver, info, mapping, run } = rig('ecs', { ecs: true });
    run(() => driver.map({ ...mapping, iova: 0n, address: 0x20_0000n, size: 0x1000n }));
    expect(section(info(''), 'IOMMU iommu0')[2]).toMatch(/^00:03\.0\t.*\t-1 {4}\t/);
    expect(info(' agent0')).toMatch(/\t0x0000000000200003\r\n/);
  });

  it('ends a table that would be too long for a text', () => {
    const { driver, info, mapping, run } = rig('legacy');
    run(() => driver.map({ ...mapping, iova: 0n, address: 0x1000n, size: 5000n * 4096n }));
    const lines = info(' agent0').split('\r\n');
    expect(lines.at(-3)).toBe('(4096 lines; query-iommu-mappings lists all)');
  });
});
