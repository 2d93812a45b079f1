import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CommandError } from '../../src/core/errors.ts';
import { HostFunction } from '../../src/host/function.ts';
import { HostIommu } from '../../src/host/iommu.ts';
import { HostPageTable } from '../../src/host/page-table.ts';
import { IntelIommuUnit } from '../../src/iommu/intel/unit.ts';
import { NotifierIommuObject } from '../../src/iommu/object.ts';
import { AddressSpace } from '../../src/memory/address-space.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { QomObject } from '../../src/qom/object.ts';
import { PciBus } from '../../src/pci/bus.ts';
import { MachineRig } from './support.ts';

/** Every step on the way of a vfio-pci device into the machine that may refuse. */
const STEPS: readonly [object, string][] = [
  [PciBus.prototype, 'chooseDevfn'],
  [IntelIommuUnit.prototype, 'attachHostDevice'],
  [HostFunction.prototype, 'claim'],
  [HostIommu.prototype, 'createPageTable'],
  [HostFunction.prototype, 'attach'],
  [AddressSpace.prototype, 'addListener'],
  [HostPageTable.prototype, 'map'],
  [NotifierIommuObject.prototype, 'register'],
];

/** Makes the nth call of a method fail while `body` runs. @returns whether it was called so often */
function withFailure([target, name]: readonly [object, string], nth: number, body: () => void): boolean {
  const own = Object.getOwnPropertyDescriptor(target, name)!;
  const method = own.value as (...values: unknown[]) => unknown;
  let calls = 0;
  const failing = function (this: unknown, ...values: unknown[]): unknown {
    calls += 1;
    if (calls === nth) throw new CommandError(`${name} failed`);
    return method.apply(this, values);
  };
  Object.defineProperty(target, name, { ...own, value: failing });
  try {
    body();
  } finally {
    Object.defineProperty(target, name, own);
  }
  return calls >= nth;
}

function tree(object: QomObject): unknown {
  const { name, type } = object;
  const listing = object.list().map(({ name: property }) => property);
  return { name, type: type.name, listing, children: object.children().map((child) => tree(child)) };
}

/** All that a user can see of a machine. */
function describeMachine(machine: Machine): unknown {
  return structuredClone({
    tree: tree(machine.qom),
    devices: machine.devices().map(({ label, devfn, realized }) => [label, devfn, realized]),
    units: machine.units.map((unit) => unit.describe()),
    notifiers: machine.notifiers(),
    vfio: machine.describeVfio(),
    containers: machine.vfio.save(),
    host: machine.host.describe(),
    mappings: machine.host.iommu.pageTables.map((one) => [one.id, one.mappings()]),
    listeners: machine.topology.addressSpaces().reduce((sum, { listeners }) => sum + listeners.length, 0),
    pending: machine.hotplug.save(),
    dmas: machine.dmas.save(),
    status: machine.status(),
  });
}

describe('device_add', () => {
  it('that fails at any step leaves the machine as it was', () => {
    const reached = new Set<string>();
    const rig = new MachineRig();
    rig.add({ driver: 'vfio-pci', id: 'first', host: '3b:00.0' });
    rig.add({ driver: 'edu', id: 'e0' });
    const adding = fc.record({
      step: fc.constantFrom(...STEPS),
      nth: fc.integer({ min: 1, max: 3 }),
      id: fc.constantFrom(undefined, 'nic0'),
      bus: fc.constantFrom(undefined, 'rp5'),
    });
    fc.assert(
      fc.property(adding, ({ step, nth, id, bus }) => {
        const values = { driver: 'vfio-pci', host: '5e:00.0', ...(id && { id }), ...(bus && { bus }) };
        const before = describeMachine(rig.machine);
        let answer = '';
        const failed = withFailure(step, nth, () => (answer = rig.add(values)));
        if (failed) {
          reached.add(step[1]);
          expect(answer).toContain(`${step[1]} failed`);
          expect(describeMachine(rig.machine)).toEqual(before);
          return;
        }
        expect(answer).toBe('{}');
        const added = rig.machine.vfio.devices.at(-1)!.name;
        rig.remove(added);
        // The next numbers of a container and of a device without id are the only trace: none is given twice.
        const numbers = { containers: rig.machine.vfio.save(), pending: rig.machine.hotplug.save() };
        expect(describeMachine(rig.machine)).toEqual({ ...(before as object), ...numbers });
        expect(numbers.pending.pending).toEqual([]);
      }),
      { numRuns: 150, seed: 11 },
    );
    expect([...reached].sort()).toEqual(STEPS.map(([, name]) => name).sort());
  });

  it.each([
    { driver: 'vfio-pci' },
    { driver: 'vfio-pci', host: 'ff:1f.7' },
    { driver: 'vfio-pci', host: '3b:00.0' },
    { driver: 'vfio-pci', host: '5e:00.0', iommufd: 'x' },
    { driver: 'edu', nope: 1 },
    { driver: 'edu', bus: 'nope' },
    { driver: 'edu', bus: 'rp0', addr: '0' },
    { driver: 'edu', id: 'first' },
    { driver: 'pci-testdev', membar: 'zz' },
  ])('%j is refused without a trace', (values) => {
    const rig = new MachineRig();
    rig.add({ driver: 'vfio-pci', id: 'first', host: '3b:00.0' });
    const before = describeMachine(rig.machine);
    rig.model.length = 0;
    expect(rig.add(values)).not.toBe('{}');
    expect(describeMachine(rig.machine)).toEqual(before);
    expect(rig.model).toEqual([]);
  });
});
