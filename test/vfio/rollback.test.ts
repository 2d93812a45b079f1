import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CommandError } from '../../src/core/errors.ts';
import { HostPageTable } from '../../src/host/page-table.ts';
import type { VfioDevice } from '../../src/vfio/device.ts';
import { VfioRig } from './rig.ts';

/** Makes the nth call of a method fail; the returned function takes that back. */
function failing<Name extends string>(target: Record<Name, (...values: never[]) => unknown>, name: Name, nth: number) {
  const own = Object.getOwnPropertyDescriptor(target, name);
  const method = target[name] as (...values: unknown[]) => unknown;
  let calls = 0;
  const wrapped = function (this: unknown, ...values: unknown[]): unknown {
    calls += 1;
    if (calls === nth) throw new CommandError(`${name} failed`);
    return method.apply(this, values);
  };
  Object.defineProperty(target, name, { value: wrapped, configurable: true, writable: true });
  return (): void => {
    if (own === undefined) Reflect.deleteProperty(target, name);
    else Object.defineProperty(target, name, own);
  };
}

type Step = 'attachHostDevice' | 'claim' | 'createPageTable' | 'attach' | 'map' | 'notifyFlagChanged' | 'register';

function breakAt(rig: VfioRig, step: Step, nth: number): () => void {
  const space = rig.unit!.space(8);
  const found = rig.host.findFunction({ segment: 0, bus: 0x3b, device: 0, function: 1 })!;
  switch (step) {
    case 'attachHostDevice':
      return failing(rig.unit!, step, nth);
    case 'claim':
    case 'attach':
      return failing(found, step, nth);
    case 'createPageTable':
      return failing(rig.host.iommu, step, nth);
    case 'map':
      return failing(HostPageTable.prototype, step, nth);
    case 'notifyFlagChanged':
      return failing(space.region.iommu as never, step as never, nth);
    case 'register':
      return failing(space.object, step, nth);
  }
}

describe('attaching a device', () => {
  it('that fails at any step leaves everything as it was', () => {
    const steps = fc.constantFrom<Step>(
      'attachHostDevice',
      'claim',
      'createPageTable',
      'attach',
      'map',
      'notifyFlagChanged',
      'register',
    );
    const reached = new Set<string>();
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 4 }), fc.boolean(), fc.boolean(), (step, nth, other, translated) => {
        const rig = new VfioRig({ unit: true });
        const space = rig.unit!.space(8);
        space.map(0x1000n, 0x2000n, 0x1000n);
        space.translateNow(translated);
        if (other) rig.attach('nic0', 0, '0000:3b:00.0');
        const before = rig.describe();
        const repair = breakAt(rig, step, nth);
        let device: VfioDevice | null = null;
        try {
          device = rig.attach('nic1', 8, '0000:3b:00.1');
        } catch (error) {
          expect(error).toBeInstanceOf(CommandError);
          reached.add(step);
        } finally {
          repair();
        }
        if (device !== null) {
          const { nextContainer } = rig.vfio.save();
          device.release();
          expect(rig.describe()).toEqual({ ...(before as object), vfio: { ...rig.vfio.save(), nextContainer } });
          return;
        }
        expect(rig.describe()).toEqual(before);
        // And what failed before works afterwards.
        rig.attach('nic1', 8, '0000:3b:00.1').release();
      }),
      { numRuns: 200, seed: 7 },
    );
    expect([...reached].sort()).toEqual([
      'attach',
      'attachHostDevice',
      'claim',
      'createPageTable',
      'map',
      'notifyFlagChanged',
      'register',
    ]);
  });
});
