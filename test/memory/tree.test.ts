import { describe, expect, it } from 'vitest';
import type { IommuObject } from '../../src/memory/iommu-object.ts';
import { RamBlock } from '../../src/memory/ram-block.ts';
import { MemoryRegion } from '../../src/memory/region.ts';
import type { MemoryTopology } from '../../src/memory/topology.ts';
import { describeAddressSpaces, describeFlatView } from '../../src/memory/tree-data.ts';
import { flatViewText, memoryTreeText } from '../../src/memory/tree-text.ts';
import { MapUnit } from './iommu-unit.ts';
import { newTopology, recordingRegisters } from './support.ts';

const WHOLE = 1n << 64n;
const MACHINE = { role: 'parent', kind: 'obj', path: '/machine/unattached' } as const;

/** The part of a q35 with intel-iommu that shows every form of a line, laid out as QEMU 7.2 does. */
function q35(): MemoryTopology {
  const topology = newTopology();
  const { operations } = recordingRegisters();
  const container = (name: string, size = WHOLE) => MemoryRegion.container(topology, name, size);
  const registers = (name: string, size: bigint) => MemoryRegion.mmio(topology, name, size, operations);
  const system = container('system');
  const pci = container('pci');
  const bridge = container('pci_bridge_pci');
  const pcRam = MemoryRegion.ram(topology, 'pc.ram', new RamBlock('pc.ram', 0x4000000n, topology.operations));
  const bios = MemoryRegion.rom(topology, 'pc.bios', new RamBlock('pc.bios', 0x40000n, topology.operations));
  const alias = (name: string, target: MemoryRegion, offset: bigint, size: bigint) =>
    MemoryRegion.alias(topology, name, target, offset, size);
  for (const region of [system, pci]) region.owner = MACHINE;

  topology.createAddressSpace('memory', system);
  topology.createAddressSpace('cpu-memory-0', system);
  pci.addSubregion(0xfffc0000n, bios);
  pci.addSubregion(0xe0000n, alias('isa-bios', bios, 0x20000n, 0x20000n), 1);
  pci.addSubregion(0n, alias('pci_bridge_mem', bridge, 0n, 0n), 1);
  system.addSubregion(0n, alias('ram-below-4g', pcRam, 0n, 0x4000000n));
  system.addSubregion(0n, pci, -1);
  for (const name of ['pam-rom', 'pam-ram']) {
    const pam = alias(name, pcRam, 0xe0000n, 0x4000n);
    if (name === 'pam-rom') pam.setReadonly(true);
    pam.setEnabled(false);
    system.addSubregion(0xe0000n, pam, 1);
  }
  system.addSubregion(0xe0000n, alias('pam-pci', pci, 0xe0000n, 0x20000n), 1);
  system.addSubregion(0xfed90000n, registers('intel_iommu', 0x230n));
  system.addSubregion(0xfee00000n, registers('apic-msi', 0x100000n), 4096);

  const nodmar = container('vtd-nodmar');
  const interrupts = registers('vtd-ir', 0x100000n);
  nodmar.addSubregion(0n, alias('vtd-sys-alias', system, 0n, WHOLE));
  nodmar.addSubregion(0xfee00000n, interrupts, 1);
  const unit = new MapUnit(topology, topology.addressSpaces()[0]!);
  const root = container('vtd-05.0');
  root.addSubregion(0n, unit.region);
  root.addSubregion(0n, alias('vtd-nodmar', nodmar, 0n, WHOLE));
  unit.region.addSubregion(0xfee00000n, alias('vtd-ir', interrupts, 0n, 0x100000n), 1);
  unit.region.setEnabled(false);
  const object = { unit: 'iommu0' } as IommuObject;
  topology.createAddressSpace('vtd-root', root, { iommuGet: () => object, device: () => 'td0' });

  const master = container('bus master container');
  master.owner = { kind: 'dev', id: 'td0' };
  const masterAlias = alias('bus master', root, 0n, WHOLE);
  master.addSubregion(0n, masterAlias);
  masterAlias.setEnabled(false);
  topology.createAddressSpace('pci-testdev', master);
  return topology;
}

const SYSTEM = `\
  0000000000000000-ffffffffffffffff (prio 0, i/o): system
    0000000000000000-0000000003ffffff (prio 0, ram): alias ram-below-4g @pc.ram 0000000000000000-0000000003ffffff
    0000000000000000-ffffffffffffffff (prio -1, i/o): pci
      0000000000000000-0000000000000000 (prio 1, i/o): alias pci_bridge_mem @pci_bridge_pci 0000000000000000-0000000000000000
      00000000000e0000-00000000000fffff (prio 1, rom): alias isa-bios @pc.bios 0000000000020000-000000000003ffff
      00000000fffc0000-00000000ffffffff (prio 0, rom): pc.bios
    00000000000e0000-00000000000fffff (prio 1, i/o): alias pam-pci @pci 00000000000e0000-00000000000fffff
    00000000fed90000-00000000fed9022f (prio 0, i/o): intel_iommu
    00000000fee00000-00000000feefffff (prio 4096, i/o): apic-msi
`;

const DEVICE = `\
  0000000000000000-ffffffffffffffff (prio 0, i/o): vtd-05.0
    0000000000000000-ffffffffffffffff (prio 0, i/o): alias vtd-nodmar @vtd-nodmar 0000000000000000-ffffffffffffffff
      00000000fee00000-00000000feefffff (prio 1, i/o): alias vtd-ir @vtd-ir 0000000000000000-00000000000fffff
`;

describe('memoryTreeText', () => {
  it('has the form of info mtree', () => {
    expect(memoryTreeText(q35())).toBe(`\
address-space: cpu-memory-0
address-space: memory
${SYSTEM}
address-space: vtd-root
${DEVICE}
address-space: pci-testdev
  0000000000000000-ffffffffffffffff (prio 0, i/o): bus master container

memory-region: pc.ram
  0000000000000000-0000000003ffffff (prio 0, ram): pc.ram

memory-region: pci_bridge_pci
  0000000000000000-ffffffffffffffff (prio 0, i/o): pci_bridge_pci

memory-region: pc.bios
  00000000fffc0000-00000000ffffffff (prio 0, rom): pc.bios

memory-region: pci
  0000000000000000-ffffffffffffffff (prio -1, i/o): pci
    0000000000000000-0000000000000000 (prio 1, i/o): alias pci_bridge_mem @pci_bridge_pci 0000000000000000-0000000000000000
    00000000000e0000-00000000000fffff (prio 1, rom): alias isa-bios @pc.bios 0000000000020000-000000000003ffff
    00000000fffc0000-00000000ffffffff (prio 0, rom): pc.bios

memory-region: vtd-nodmar
  0000000000000000-ffffffffffffffff (prio 0, i/o): vtd-nodmar
    0000000000000000-ffffffffffffffff (prio 0, i/o): alias vtd-sys-alias @system 0000000000000000-ffffffffffffffff
    00000000fee00000-00000000feefffff (prio 1, i/o): vtd-ir

memory-region: vtd-ir
  00000000fee00000-00000000feefffff (prio 1, i/o): vtd-ir

memory-region: vtd-05.0
${DEVICE}
memory-region: system
${SYSTEM}
`);
  });

  it('shows disabled regions and owners when asked', () => {
    const lines = memoryTreeText(q35(), { disabled: true, owners: true }).split('\n');
    const from = lines.indexOf('address-space: vtd-root');
    expect(lines.slice(from, from + 5)).toEqual([
      'address-space: vtd-root',
      '  0000000000000000-ffffffffffffffff (prio 0, i/o): vtd-05.0 orphan',
      '    0000000000000000-ffffffffffffffff (prio 0, i/o): alias vtd-nodmar @vtd-nodmar 0000000000000000-ffffffffffffffff orphan',
      '    0000000000000000-ffffffffffffffff (prio 0, i/o): dmar [disabled] orphan',
      '      00000000fee00000-00000000feefffff (prio 1, i/o): alias vtd-ir @vtd-ir 0000000000000000-00000000000fffff orphan',
    ]);
    const master = lines.indexOf('address-space: pci-testdev');
    expect(lines.slice(master + 1, master + 3)).toEqual([
      '  0000000000000000-ffffffffffffffff (prio 0, i/o): bus master container owner:{dev id=td0}',
      '    0000000000000000-ffffffffffffffff (prio 0, i/o): alias bus master @vtd-05.0 0000000000000000-ffffffffffffffff [disabled] orphan',
    ]);
    expect(lines[2]).toBe(
      '  0000000000000000-ffffffffffffffff (prio 0, i/o): system parent:{obj path=/machine/unattached}',
    );
    const pam = lines.filter((line) => line.includes('alias pam-r')).slice(0, 2);
    expect(pam.map((line) => line.slice(38))).toEqual([
      '(prio 1, ram): alias pam-ram @pc.ram 00000000000e0000-00000000000e3fff [disabled] orphan',
      '(prio 1, ram): alias pam-rom @pc.ram 00000000000e0000-00000000000e3fff [disabled] orphan',
    ]);
  });
});

describe('flatViewText', () => {
  it('has the form of info mtree -f', () => {
    const ranges = (msi: string): string => `\
  0000000000000000-00000000000dffff (prio 0, ram): pc.ram
  00000000000e0000-00000000000fffff (prio 0, rom): pc.bios @0000000000020000
  0000000000100000-0000000003ffffff (prio 0, ram): pc.ram @0000000000100000
  00000000fed90000-00000000fed9022f (prio 0, i/o): intel_iommu
  00000000fee00000-00000000feefffff ${msi}
  00000000fffc0000-00000000ffffffff (prio 0, rom): pc.bios
`;
    expect(flatViewText(q35())).toBe(`\
FlatView #0
 AS "memory", root: system
 AS "cpu-memory-0", root: system
 Root memory region: system
${ranges('(prio 4096, i/o): apic-msi')}
FlatView #1
 AS "vtd-root", root: vtd-05.0
 Root memory region: vtd-nodmar
${ranges('(prio 1, i/o): vtd-ir')}
FlatView #2
 AS "pci-testdev", root: bus master container
 Root memory region: (none)
  No rendered FlatView

`);
  });

  it('names the target of a root that is an alias, write protection, and owners', () => {
    const topology = newTopology();
    const block = new RamBlock('ram', 0x3000n, topology.operations);
    const memory = MemoryRegion.ram(topology, 'ram', block);
    memory.owner = { kind: 'obj', path: '/objects/ram' };
    const root = MemoryRegion.alias(topology, 'window', memory, 0x1000n, 0x1000n);
    root.setReadonly(true);
    topology.createAddressSpace('space', root);
    expect(flatViewText(topology, { owners: true })).toBe(`\
FlatView #0
 AS "space", root: window, alias ram
 Root memory region: window
  0000000000000000-0000000000000fff (prio 0, rom): ram @0000000000001000 owner:{obj path=/objects/ram}

`);
  });
});

describe('describeAddressSpaces', () => {
  it('tells the tree, the device and the unit behind a space', () => {
    const spaces = describeAddressSpaces(q35());
    expect(spaces.map((space) => space.name)).toEqual(['memory', 'cpu-memory-0', 'vtd-root', 'pci-testdev']);
    expect(spaces[0]).not.toHaveProperty('iommu');
    const last = WHOLE - 1n;
    const whole = { start: 0n, last, priority: 0 };
    const interrupts = { region: 'vtd-ir', offset: 0n };
    expect(spaces[2]).toEqual({
      name: 'vtd-root',
      device: 'td0',
      iommu: 'iommu0',
      root: {
        ...whole,
        name: 'vtd-05.0',
        kind: 'container',
        enabled: true,
        children: [
          {
            ...whole,
            name: 'vtd-nodmar',
            kind: 'alias',
            enabled: true,
            alias: { region: 'vtd-nodmar', offset: 0n },
            children: [],
          },
          {
            ...whole,
            name: 'dmar',
            kind: 'iommu',
            enabled: false,
            children: [
              {
                name: 'vtd-ir',
                kind: 'alias',
                start: 0xfee00000n,
                last: 0xfeefffffn,
                priority: 1,
                enabled: true,
                alias: interrupts,
                children: [],
              },
            ],
          },
        ],
      },
    });
  });

  it('gives children in the order in which they win, and an empty region its start as last', () => {
    const [memory] = describeAddressSpaces(q35());
    const names = memory?.root.children.map((child) => child.name);
    expect(names?.slice(0, 2)).toEqual(['apic-msi', 'pam-pci']);
    expect(names?.at(-1)).toBe('pci');
    const pci = memory?.root.children.at(-1);
    expect(pci?.children.find((child) => child.name === 'pci_bridge_mem')).toMatchObject({ start: 0n, last: 0n });
  });
});

describe('describeFlatView', () => {
  it('tells what shows, and why the rest does not', () => {
    const topology = q35();
    const info = describeFlatView(topology.addressSpaces()[2]!);
    expect(info.ranges[1]).toEqual({
      start: 0xe0000n,
      last: 0xfffffn,
      region: 'pc.bios',
      offset: 0x20000n,
      kind: 'rom',
      readonly: true,
    });
    expect(info.hidden).toContainEqual({ region: 'dmar', start: 0n, last: WHOLE - 1n, by: 'dmar' });
    expect(info.hidden).toContainEqual({ region: 'pc.ram', start: 0xe0000n, last: 0xfffffn, by: 'pc.bios' });
    expect(info.hidden).toContainEqual({ region: 'apic-msi', start: 0xfee00000n, last: 0xfeefffffn, by: 'vtd-ir' });
  });
});
