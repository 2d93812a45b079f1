import { describe, expect, it } from 'vitest';
import { HandlerRig } from '../support/handlers.ts';

const PAGE = 0x1000n;
const iova = 0x4000_0000n;
const target = 0x20_0000n;
const MILLISECOND = 1_000_000n;

/** A device that is translated, and whose VFIO hears of the next mapping 5 ms late. */
function rig(): HandlerRig {
  const made = new HandlerRig();
  made.run('device_add', { driver: 'vfio-pci', id: 'nic0', host: '0000:3b:00.0' });
  made.run('guest-iommu-enable', { mode: 'legacy' });
  made.run('fault-inject', { point: 'listener', kind: 'delay', 'delay-ms': 5 });
  return made;
}

const map = (made: HandlerRig): unknown =>
  made.run('guest-dma-map', { device: 'nic0', iova, address: target, size: PAGE });
const wait = ({ machine: { clock } }: HandlerRig, milliseconds: bigint): void =>
  clock.advanceTo(clock.now + milliseconds * MILLISECOND);
const read = (made: HandlerRig): string => made.refusal('dma-read', { device: 'nic0', address: iova, size: 1n });

describe('what a fault holds back from VFIO', () => {
  it('comes by guest time, as an operation of its own', () => {
    const made = rig();
    map(made);
    const asked = made.machine.operations.last;
    expect(read(made)).toContain('faulted');
    made.takeEvents();
    wait(made, 5n);
    expect(read(made)).toBe('');
    const mapped = made.takeEvents().find(({ name }) => name === 'VFIO_DMA_MAPPED');
    expect(mapped?.data.operation).toBeGreaterThan(asked);
  });

  it('is saved with the state', () => {
    const made = rig();
    map(made);
    const saved = structuredClone(made.machine.vfio.save());
    const late = saved.containers.flatMap(({ guestRegions }) => guestRegions.flatMap(({ notices }) => notices.late));
    expect(late).toEqual([
      expect.objectContaining({ step: expect.objectContaining({ iova, gpa: target }) as unknown }),
    ]);
    wait(made, 5n);
    made.run('guest-dma-unmap', { device: 'nic0', iova, size: PAGE });
    made.machine.operations.run(() => made.machine.vfio.restore(saved));
    expect(made.machine.vfio.save()).toEqual(saved);
    wait(made, 0n);
    expect(read(made)).toBe('');
  });

  it('goes with the device: nothing is mapped for one that has left', () => {
    const made = rig();
    map(made);
    made.run('device_del', { id: 'nic0' });
    expect(made.machine.clock.nextDeadline()).toBeNull();
    expect(made.machine.host.describe()['page-tables']).toEqual([]);
  });

  it('a map that comes behind its unmap stays, and the next invalidation finds it', () => {
    const made = rig();
    map(made);
    made.run('guest-dma-unmap', { device: 'nic0', iova, size: PAGE });
    made.takeEvents();
    wait(made, 5n);
    expect(read(made)).toBe('');
    made.run('guest-dma-map', { device: 'nic0', iova, address: target + PAGE, size: PAGE });
    const checks = made.takeEvents().filter(({ name }) => name === 'MODEL_CHECK_FAILED');
    expect(checks.map(({ data }) => ('check' in data ? data.check : ''))).toContain('mapping-survives-invalidation');
  });
});
