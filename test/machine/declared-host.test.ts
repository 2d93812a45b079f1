import { describe, expect, it } from 'vitest';
import { MachineRig } from './support.ts';

/** A host of declared functions only: a physical one with two virtual ones in groups of their own, and a pair in a group. */
function declared(more: Record<string, unknown> = {}): MachineRig {
  const rig = new MachineRig({ noDefaults: true, memory: 1n << 24n });
  const add = (values: Record<string, unknown>): void => {
    expect(object(rig, values)).toBe('{}');
  };
  add({ 'qom-type': 'host-iommu', id: 'h', 'built-in-functions': false, ...more });
  add({ 'qom-type': 'host-function', id: 'pf', bdf: '81:00.0', group: 10, 'pasid-bits': 8, pri: false });
  add({ 'qom-type': 'host-function', id: 'vf0', bdf: '81:00.1', group: 11, pf: '81:00.0' });
  add({
    'qom-type': 'host-function',
    id: 'vf1',
    bdf: '81:00.2',
    group: 12,
    pf: '81:00.0',
    'pasid-bits': 4,
    ats: false,
  });
  add({ 'qom-type': 'host-function', id: 'a', bdf: '3b:00.0', group: 7 });
  add({ 'qom-type': 'host-function', id: 'b', bdf: '3b:00.1', group: 7 });
  return rig;
}

const object = (rig: MachineRig, values: Record<string, unknown>): string =>
  rig.command(() => rig.machine.objectAdd(values));
const remove = (rig: MachineRig, id: string): string => rig.command(() => rig.machine.objectDelete(id));
const add = (rig: MachineRig, host: string, id: string): string => rig.add({ driver: 'vfio-pci', id, host });

describe('a declared host', () => {
  it('has the functions that are declared, with what virtual ones have from their physical one', () => {
    const { functions } = declared().machine.host.describe();
    const physical = { 'physical-function': '0000:81:00.0', 'page-requests': false };
    expect(functions).toEqual([
      { bdf: '0000:3b:00.0', group: 7, 'pasid-bits': 20, ats: true, 'page-requests': true },
      { bdf: '0000:3b:00.1', group: 7, 'pasid-bits': 20, ats: true, 'page-requests': true },
      { bdf: '0000:81:00.0', group: 10, 'pasid-bits': 8, ats: true, 'page-requests': false },
      { bdf: '0000:81:00.1', group: 11, 'pasid-bits': 8, ats: true, ...physical },
      { bdf: '0000:81:00.2', group: 12, 'pasid-bits': 4, ats: false, ...physical },
    ]);
  });

  it('answers what can be assigned: absent functions, groups, virtual functions', () => {
    const rig = declared();
    expect(add(rig, '5e:00.0', 'x')).toBe(
      'vfio /sys/bus/pci/devices/0000:5e:00.0: no such host device: No such file or directory',
    );
    expect(add(rig, '81:00.1', 'vf0')).toBe('{}');
    expect(add(rig, '81:00.2', 'vf1')).toBe('{}');
    expect(add(rig, '3b:00.0', 'a')).toBe('{}');
    expect(rig.machine.vfio.containers()).toMatchObject([{ groups: [{ id: 7 }, { id: 11 }, { id: 12 }] }]);
    expect(remove(rig, 'vf0')).toBe("Host function 0000:81:00.1 is used by device 'vf0': remove that one first");
  });

  it.each([
    [
      { pf: '81:00.0', 'pasid-bits': 9 },
      'Virtual function 0000:82:00.0 cannot have 9 PASID bits: it uses those of 0000:81:00.0, which has 8; give ' +
        'pasid-bits=8 or less',
    ],
    [
      { pf: '81:00.0', pri: true },
      'Virtual function 0000:82:00.0 cannot have pri=on: it asks for pages through 0000:81:00.0, which has pri=off',
    ],
    [
      { pf: '81:00.1' },
      'Host function 0000:82:00.0 cannot be a virtual function of 0000:81:00.1: the host has no physical function ' +
        'there; add that one first',
    ],
    [
      { pf: '90:00.0' },
      'Host function 0000:82:00.0 cannot be a virtual function of 0000:90:00.0: the host has no physical function ' +
        'there; add that one first',
    ],
    [
      { pf: 'zz' },
      "Property 'host-function.pf' doesn't take value 'zz': give segment:bus:device.function, 0000:3b:00.0 for instance",
    ],
  ])('refuses a virtual function with %o', (values, sentence) => {
    const rig = declared();
    const before = rig.machine.host.describe();
    expect(object(rig, { 'qom-type': 'host-function', id: 'x', bdf: '82:00.0', ...values })).toBe(sentence);
    expect(rig.machine.host.describe()).toEqual(before);
  });

  it('keeps a physical function as long as it has virtual ones', () => {
    const rig = declared();
    expect(remove(rig, 'pf')).toBe(
      'Host function 0000:81:00.0 has the virtual function 0000:81:00.1: remove that first',
    );
    for (const id of ['vf0', 'vf1', 'pf']) expect(remove(rig, id)).toBe('{}');
  });

  it('has the built-in functions again without its host-iommu, but for addresses that were declared', () => {
    const rig = declared();
    expect(remove(rig, 'h')).toBe('{}');
    const names = rig.machine.host.functions.map(({ name, group }) => `${name} ${group ?? '-'}`);
    expect(names).toEqual([
      '0000:00:00.0 -',
      '0000:3b:00.0 7',
      '0000:3b:00.1 7',
      '0000:5e:00.0 3',
      '0000:81:00.0 10',
      '0000:81:00.1 11',
      '0000:81:00.2 12',
    ]);
  });

  it('cannot do without a built-in function that has virtual ones', () => {
    const rig = new MachineRig({ noDefaults: true, memory: 1n << 24n });
    object(rig, { 'qom-type': 'host-function', id: 'vf', bdf: '5e:00.1', pf: '5e:00.0' });
    expect(object(rig, { 'qom-type': 'host-iommu', id: 'h', 'built-in-functions': false })).toBe(
      'Host function 0000:5e:00.0 has the virtual function 0000:5e:00.1: remove that first',
    );
    expect(rig.machine.host.functions).toHaveLength(5);
  });

  it('is the same after its state was saved and restored', () => {
    const rig = declared();
    const [state, shown] = [structuredClone(rig.machine.host.save()), rig.machine.host.describe()];
    rig.machine.host.restore(state);
    expect(rig.machine.host.describe()).toEqual(shown);
  });
});
