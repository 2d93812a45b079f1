import { describe, expect, it } from 'vitest';
import { dmaPathOf } from '../../src/devices/bus-master.ts';
import { MemoryControllerHub } from '../../src/devices/mch.ts';
import { Ports } from '../machine/ports.ts';
import { MachineRig } from '../machine/support.ts';

const READ = { address: 0x1000n, write: false, bytes: new Uint8Array(4) };

describe('a function that is no bus master', () => {
  it('reaches nothing, and the sentence says what to set', () => {
    const { machine } = new MachineRig({ type: 'q35', devices: [{ values: { driver: 'edu', id: 'e', addr: '3' } }] });
    const edu = machine.findPciDevice('e');
    const path = dmaPathOf(edu);
    const refused = path.move(READ);
    expect(refused.kind === 'fault' && refused.sentence).toBe(
      "Device 'e' is no bus master: set bit 2 of its command register (offset 4 of configuration space), as the " +
        'firmware of machine viommu does',
    );
    expect(edu.dmaRead(0x1000n, new Uint8Array(4)).ok).toBe(false);
    new Ports(machine).setUp(0x18, 0xe000_0000);
    expect(path.move(READ)).toEqual({ kind: 'moved' });
    expect(edu.dmaRead(0x1000n, new Uint8Array(4)).ok).toBe(true);
  });

  it('is stopped on machine viommu, too, once software says so', () => {
    const rig = new MachineRig();
    rig.add({ driver: 'vfio-pci', id: 'nic0', host: '3b:00.0' });
    const nic = rig.machine.findPciDevice('nic0');
    expect(dmaPathOf(nic).move(READ)).toEqual({ kind: 'moved' });
    nic.writeConfig(4, 2, 0);
    expect(dmaPathOf(nic).move(READ)).toMatchObject({ kind: 'fault' });
  });
});

describe('vfio-pci', () => {
  it('shows what the host’s function can do', () => {
    const rig = new MachineRig();
    rig.add({ driver: 'vfio-pci', id: 'nic0', host: '3b:00.0' });
    const nic = rig.machine.findPciDevice('nic0');
    const ids: number[] = [];
    for (let at = 0x100; at !== 0; at = nic.readConfig(at + 2, 2) >>> 4) ids.push(nic.readConfig(at, 2));
    // ATS, page requests, PASID of 20 bits.
    expect(ids).toEqual([0x0f, 0x13, 0x1b]);
    expect((nic.readConfig(0x100 + 8 + 16 + 4, 2) >>> 8) & 0x1f).toBe(20);
    expect(nic.readConfig(nic.readConfig(0x34, 1), 1)).toBe(0x10);
  });
});

describe('saved registers', () => {
  it('bring the mapped configuration space back', () => {
    const { machine } = new MachineRig({ type: 'q35' });
    const hub = machine.rootBus!.deviceAt(0)!;
    expect(hub).toBeInstanceOf(MemoryControllerHub);
    hub.writeConfig(0x60, 4, 0xb000_0001);
    const state = hub.save();
    machine.operations.run(() => machine.reset());
    const ports = new Ports(machine);
    expect(ports.read(0xb000_0000, 4)).toBe(0n);
    hub.restore(state);
    expect(ports.read(0xb000_0000, 4)).toBe(0x29c0_8086n);
  });

  it('bring BARs, bus mastering and windows back', () => {
    const rig = new MachineRig();
    rig.add({ driver: 'edu', id: 'e', bus: 'rp0' });
    const { machine } = rig;
    const [edu, port] = [machine.findPciDevice('e'), machine.findPciDevice('rp0')];
    const before = [edu.save(), port.save()] as const;
    const shown = (): string[] =>
      machine.memory.flatView.ranges.map(({ start, region }) => `${start.toString(16)} ${region.name}`);
    const view = shown();
    for (const device of [edu, port]) device.reset();
    expect(shown()).not.toEqual(view);
    expect(edu.busMasterEnabled).toBe(false);
    edu.restore(before[0]);
    port.restore(before[1]);
    expect(shown()).toEqual(view);
    expect(edu.dmaRead(0x1000n, new Uint8Array(4)).ok).toBe(true);
  });
});
