import { describe, expect, it } from 'vitest';
import { TraceLog } from '../../src/trace/trace-log.ts';
import { MachineRig } from './support.ts';

const MEMORY = 1n << 24n;
const UNIT = { driver: 'intel-iommu', id: 'iommu0', 'caching-mode': 'on' };
const nic0 = { driver: 'vfio-pci', id: 'nic0', host: '3b:00.0' };

/** A small machine whose trace points of these names are on once it is built. */
function traced(...patterns: string[]) {
  const lines: string[] = [];
  const traceLog = new TraceLog((line) => lines.push(line));
  const rig = new MachineRig({
    noDefaults: true,
    memory: MEMORY,
    traceLog,
    objects: [{ values: { 'qom-type': 'host-iommu', id: 'host0' } }, { values: { 'qom-type': 'iommufd', id: 'fd0' } }],
    devices: [{ values: UNIT }],
  });
  for (const pattern of patterns) traceLog.set(pattern, true);
  const told = (): string[] => lines.splice(0).map((line) => line.trimEnd());
  return { rig, machine: rig.machine, told };
}

describe('trace points of VFIO', () => {
  it('follow a device that comes and shows its translated region', () => {
    const { rig, machine, told } = traced('vfio_*');
    expect(rig.add(nic0)).toBe('{}');
    const attached = told();
    expect(attached[0]).toMatch(/^vfio_realize {2}\(0000:3b:00\.0\) group \d+$/);
    expect(attached).toContainEqual(
      expect.stringMatching(/^vfio_listener_region_add_ram region_add \[ram\] 0x0 - 0xffffff \[0x[0-9a-f]+\]$/),
    );
    expect(attached).toContainEqual('vfio_listener_region_add_skip SKIPPING region_add 0xfee00000 - 0xfeefffff');
    const space = machine.spaceOf(machine.findDevice('nic0'))!;
    rig.command(() => space.unit.setBypass(space, 'translate'));
    const switched = told();
    expect(switched).toContainEqual('vfio_listener_region_del region_del 0x0 - 0xffffff');
    expect(switched).toContainEqual('vfio_listener_region_del_skip SKIPPING region_del 0xfed90000 - 0xfed9022f');
    expect(switched).toContainEqual('vfio_listener_region_add_iommu region_add [iommu] 0x0 - 0xfedfffff');
  });

  it('follow contract iommufd', () => {
    const { rig, told } = traced('iommufd_*');
    expect(rig.add({ ...nic0, iommufd: 'fd0' })).toBe('{}');
    const attached = told();
    expect(attached.slice(0, 2)).toEqual([
      expect.stringMatching(/^iommufd_backend_alloc_ioas {2}iommufd=-1 ioas=\d+$/),
      expect.stringMatching(
        /^iommufd_cdev_attach_ioas_hwpt {2}\[iommufd=-1\] Successfully attached device 0000:3b:00\.0 /,
      ),
    ]);
    expect(attached).toContainEqual(
      expect.stringMatching(
        /^iommufd_backend_map_dma {2}iommufd=-1 ioas=\d+ iova=0x0 size=0x1000000 addr=0x[0-9a-f]+ readonly=0 \(0\)$/,
      ),
    );
  });

  it('are silent about iommufd by contract pasid-table', () => {
    const { rig, told } = traced('iommufd_*');
    expect(rig.add(nic0)).toBe('{}');
    expect(told()).toEqual([]);
  });
});

describe('trace points of memory', () => {
  it('tell of accesses to registers, by region and absolute address', () => {
    const { rig, machine, told } = traced('memory_region_ops_*');
    rig.command(() => machine.memory.write(0xfed9_0018n, new Uint8Array([0, 0, 0, 0x40])));
    rig.command(() => machine.memory.read(0xfed9_001cn, new Uint8Array(4)));
    const lines = told();
    expect(lines.map((line) => line.replace(/mr 0x[0-9a-f]+/, 'mr MR'))).toEqual([
      "memory_region_ops_write cpu -1 mr MR addr 0xfed90018 value 0x40000000 size 4 name 'intel_iommu'",
      "memory_region_ops_read cpu -1 mr MR addr 0xfed9001c value 0x40000000 size 4 name 'intel_iommu'",
    ]);
    expect(new Set(lines.map((line) => / mr (\S+)/.exec(line)![1])).size).toBe(1);
  });

  it('tell of flat views that come and go', () => {
    const { rig, machine, told } = traced('flatview_*');
    rig.command(() => machine.memory.write(0xfed9_0018n, new Uint8Array([0, 0, 0, 0x80])));
    rig.add(nic0);
    const lines = told();
    expect(lines).toContainEqual(expect.stringMatching(/^flatview_new 0x[0-9a-f]+ \(root 0x[0-9a-f]+\)$/));
    expect(lines).toContainEqual(expect.stringMatching(/^flatview_destroy 0x[0-9a-f]+ \(root 0x[0-9a-f]+\)$/));
  });
});
