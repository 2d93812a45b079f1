import { describe, expect, it } from 'vitest';
import { BUFFERS, BUFFERS_IOVA, RINGS, RINGS_IOVA, VhostRig } from './rig.ts';

const INTEL = { driver: 'intel-iommu', 'caching-mode': 'on' };
const PAGE = 0x1000n;
/** Which of the rings' pages lie behind the used rings, one for each queue. */
const USED_RINGS = [RINGS_IOVA + 0x2000n, RINGS_IOVA + 0x5000n];

describe('vhost', () => {
  it('asks for the used rings when it starts, and for everything else when it needs it', () => {
    const rig = new VhostRig(INTEL);
    rig.enable();
    rig.events(/./);
    expect(rig.start()).toBe('{}');
    expect(rig.events(/VHOST/)).toEqual(USED_RINGS.map((ring) => `update 0x${ring.toString(16)}`));
    rig.put('ping');
    expect(rig.transfer()).toEqual({
      transmitted: 1,
      received: [{ address: BUFFERS_IOVA + PAGE, length: 16 }],
    });
    expect(rig.received()).toBe('ping');
    const { backend } = rig.agent.vhost;
    const [{ miss }, { update }] = [backend.sent, backend.received];
    expect([miss, update]).toEqual([6, 8]);
    rig.transfer();
    expect(backend.sent.miss).toBe(miss);
  });

  it('goes by guest-physical addresses without iommu_platform, and registers nowhere', () => {
    const rig = new VhostRig(INTEL, { iommu_platform: 'off' });
    rig.enable();
    const { machine } = rig;
    expect(rig.command(() => rig.card.start({ address: RINGS, iova: RINGS, ats: false }))).toBe('{}');
    machine.memory.write(BUFFERS + 12n, Buffer.from('plain'));
    const out = { address: BUFFERS, length: 17 };
    const into = { address: BUFFERS + PAGE, length: 17 };
    const progress = machine.operations.run(() => rig.card.transfer({ out, into }));
    expect(progress.transmitted).toBe(1);
    expect(rig.received()).toBe('plai');
    expect(machine.notifiers().filter(({ listener }) => listener === 'vhost-iotlb')).toEqual([]);
    expect(rig.agent.vhost.describe()).toMatchObject({ iotlb: false, ranges: [], messages: { miss: 0, update: 0 } });
    expect(rig.touch(0xf000_0000_0000n, false)).toContain('0xf00000000000 is not in the memory table of vhost');
  });

  it('needs no IOTLB where no vIOMMU stands behind the device', () => {
    const rig = new VhostRig(null);
    expect(rig.command(() => rig.card.start({ address: RINGS, iova: RINGS, ats: false }))).toBe('{}');
    expect(rig.agent.vhost.describe()).toMatchObject({ started: true, iotlb: false });
    expect(rig.touch(BUFFERS, true)).toBe('moved');
  });

  it('moves nothing before a driver is at work, nor with a PASID', () => {
    const rig = new VhostRig(INTEL);
    rig.enable();
    expect(rig.touch(BUFFERS_IOVA, false)).toContain("No driver is at work with device 'vhost0'");
    rig.start();
    const request = { address: BUFFERS_IOVA, pasid: 1, write: false, bytes: new Uint8Array(1) };
    expect(rig.agent.dmaPath.move(request)).toMatchObject({ kind: 'fault' });
    expect(rig.touch(BUFFERS_IOVA, false)).toBe('moved');
  });

  it('has one notifier for each section of the IOMMU region, and none while memory shows plainly', () => {
    const rig = new VhostRig(INTEL);
    rig.command(() => rig.driver.enable('legacy'));
    const { machine, agent } = rig;
    const space = machine.spaceOf(agent)!;
    rig.map(RINGS_IOVA, RINGS, 0x6000n);
    rig.start();
    const ranges = (): (bigint | undefined)[][] => machine.notifiers().map(({ start, last }) => [start, last]);
    expect(ranges()).toEqual([
      [0n, 0xfedf_ffffn],
      [0xfef0_0000n, 2n ** 64n - 1n],
    ]);
    rig.command(() => space.unit.setBypass(space, 'bypass'));
    expect(ranges()).toEqual([]);
    expect(rig.touch(BUFFERS, false)).toBe('moved');
    rig.command(() => space.unit.setBypass(space, 'translate'));
    expect(ranges()).toHaveLength(2);
    rig.command(() => agent.writeConfig(4, 2, 0));
    expect(ranges()).toEqual([]);
    expect(agent.vhost.started).toBe(false);
  });

  it('keeps what it cached in bypass when the space is switched, which is seen when it uses that', () => {
    const rig = new VhostRig(INTEL);
    rig.command(() => rig.card.start({ address: RINGS, iova: RINGS, ats: false }));
    expect(rig.touch(BUFFERS, true)).toBe('moved');
    rig.command(() => rig.driver.enable('legacy'));
    rig.events(/./);
    expect(rig.touch(BUFFERS, true)).toBe('moved');
    expect(rig.events(/STALE/)).toEqual([`HOST_STALE_TRANSLATION 0x${BUFFERS.toString(16)}`]);
    // The first mapping of a device comes with a flush of its context entry, which unmaps everything.
    rig.map(BUFFERS, BUFFERS + PAGE, PAGE);
    expect(rig.agent.vhost.describe().ranges).toEqual([]);
    expect(rig.touch(BUFFERS, true)).toBe('moved');
    expect(rig.events(/STALE/)).toEqual([]);
  });

  it('gives both rights for every translation, as QEMU does, and blames no flush for it', () => {
    const rig = new VhostRig(INTEL);
    rig.enable();
    rig.start();
    rig.map(0x6000_0000n, 0x50_0000n, PAGE, ['read']);
    expect(rig.touch(0x6000_0000n, true)).toContain('does not permit writes');
    expect(rig.touch(0x6000_0000n, false)).toBe('moved');
    expect(rig.touch(0x6000_0000n, true)).toBe('moved');
    expect(rig.events(/STALE/)).toEqual([]);
    expect(rig.agent.vhost.describe().ranges.filter(({ stale }) => stale)).toEqual([]);
  });

  it('takes no UPDATE that leads beside RAM, and none of any other message', () => {
    const rig = new VhostRig(INTEL);
    rig.enable();
    rig.start();
    rig.map(0x6000_0000n, 0xfed9_0000n, PAGE);
    rig.map(0x7000_0000n, 0xe000_0000n, PAGE);
    expect(rig.touch(0x6000_0000n, false)).toBe('Fail to lookup the translated address fed90000');
    expect(rig.touch(0x7000_0000n, false)).toBe('Nothing answers a read from address 0x70000000');
    const { frontend } = rig.agent.vhost;
    expect(frontend.receive({ type: 'invalidate', iova: 0n, size: PAGE })?.sentence).toBe(
      'Unexpected IOTLB message type',
    );
    expect(frontend.receive({ type: 'access-fail', iova: 0n, access: 1 })?.sentence).toBe(
      'Access failure IOTLB message type not supported',
    );
  });

  it('stands still at any buffer of a chain, and at rings that run past 2^64', () => {
    const rig = new VhostRig(INTEL);
    rig.enable();
    rig.start();
    const { memory } = rig.machine;
    const descriptors = RINGS + 3n * PAGE;
    const chain = new BigUint64Array([0x7000_0000n, 16n | (1n << 32n) | (1n << 48n), BUFFERS_IOVA, 16n]);
    memory.write(descriptors, new Uint8Array(chain.buffer));
    memory.write(descriptors + PAGE, Uint8Array.of(0, 0, 1, 0, 0, 0));
    expect(rig.card.transfer({})).toEqual({ transmitted: 0, received: [] });
    expect(rig.agent.card.stalled).toContain('0x70000000');
    expect(rig.agent.card.failure).toBeNull();
    rig.map(0x7000_0000n, 0x50_0000n, PAGE);
    expect(rig.card.transfer({})).toEqual({ transmitted: 1, received: [] });
    expect(rig.agent.card.stalled).toBeNull();
    expect(rig.agent.card.packets).toEqual({ transmitted: 1, received: 0, dropped: 1 });
    expect(rig.touch(2n ** 64n - 1n, false)).not.toBe('moved');
    expect(rig.agent.vhost.backend.reaches(2n ** 64n - 1n, 2n, 'read')).toBe(false);
  });

  it('serves what the available ring says, and needs a reset where that cannot be', () => {
    const rig = new VhostRig(INTEL);
    rig.enable();
    rig.start();
    const { memory } = rig.machine;
    memory.write(RINGS + 4n * PAGE, Uint8Array.of(0, 0, 200, 0));
    const descriptor = new BigUint64Array([BUFFERS_IOVA, 12n]);
    memory.write(RINGS + 3n * PAGE, new Uint8Array(descriptor.buffer));
    expect(rig.card.transfer({}).transmitted).toBe(200);
    memory.write(RINGS + 4n * PAGE, Uint8Array.of(0, 0, 0xff, 0xff));
    rig.card.transfer({});
    expect(rig.agent.card.failure).toContain('Guest moved available index');
  });

  it('drops a packet that finds no buffer, or too short a one', () => {
    const rig = new VhostRig(INTEL);
    rig.enable();
    rig.start();
    const out = { address: BUFFERS_IOVA, length: 32 };
    expect(rig.card.transfer({ out })).toEqual({ transmitted: 1, received: [] });
    expect(rig.card.transfer({ into: { address: BUFFERS_IOVA + PAGE, length: 16 } })).toEqual({
      transmitted: 0,
      received: [],
    });
    expect(rig.card.transfer({ out })).toEqual({ transmitted: 1, received: [] });
    expect(rig.card.transfer({ out: { ...out, length: 16 } })).toMatchObject({
      transmitted: 1,
      received: [{ length: 16 }],
    });
    expect(rig.agent.card.packets).toEqual({ transmitted: 3, received: 1, dropped: 2 });
  });

  it('caches a large page as one range, and sees where a split one leads elsewhere', () => {
    const rig = new VhostRig(INTEL);
    rig.enable();
    rig.start();
    rig.map(0x8000_0000n, 0x200_0000n, 0x20_0000n);
    expect(rig.touch(0x8010_0000n, true)).toBe('moved');
    const large = { iova: 0x8000_0000n, last: 0x801f_ffffn, address: 0x200_0000n };
    const listed = () => rig.agent.vhost.describe().ranges.find(({ iova }) => iova === large.iova);
    expect(listed()).toMatchObject({ ...large, stale: false });
    rig.unmap(0x8000_0000n, false, 0x20_0000n);
    expect(listed()).toMatchObject({ ...large, stale: true });
    rig.map(0x8000_0000n, 0x200_0000n, 0x1f_f000n);
    rig.map(0x801f_f000n, 0x300_0000n, PAGE);
    expect(rig.agent.vhost.describe().ranges.filter(({ stale }) => stale)).toEqual([]);
    expect(rig.touch(0x8010_0000n, true)).toBe('moved');
    expect(rig.events(/STALE|CHECK/)).toEqual([]);
  });

  it('holds no more ranges than iotlb-size', () => {
    const rig = new VhostRig(INTEL, { 'iotlb-size': '2' });
    rig.enable();
    rig.start();
    rig.put('ping');
    expect(rig.transfer()).toMatchObject({ transmitted: 1, received: [{ length: 16 }] });
    expect(rig.received()).toBe('ping');
    const { cache } = rig.agent.vhost.describe();
    expect(cache).toMatchObject({ entries: 2, size: 2 });
    expect(cache.evictions).toBeGreaterThan(4);
    expect(rig.add({ driver: 'vhost-agent', id: 'none', 'iotlb-size': '0' })).toContain('must be 1 to 65536');
  });

  it('comes back as it was saved', () => {
    const rig = new VhostRig(INTEL);
    rig.enable();
    rig.start();
    rig.transfer();
    const { agent, machine } = rig;
    const [saved, guests] = [structuredClone(agent.save()), structuredClone(machine.guests.save())];
    rig.unmap(BUFFERS_IOVA, true, 0x2000n);
    agent.restore(saved);
    machine.guests.restore(guests);
    expect(agent.save()).toEqual(saved);
    expect(machine.notifiers().filter(({ listener }) => listener === 'vhost-iotlb')).toHaveLength(2);
    expect(rig.transfer()).toMatchObject({ transmitted: 1 });
    expect(rig.events(/STALE/)).toHaveLength(2);
  });

  it('ends with a reset of the machine, and with the device', () => {
    const rig = new VhostRig(INTEL);
    rig.enable();
    rig.start();
    rig.transfer();
    rig.command(() => rig.machine.reset());
    expect(rig.agent.vhost.describe()).toMatchObject({ started: false, ranges: [] });
    expect(rig.machine.notifiers()).toEqual([]);
    expect(() => rig.transfer()).toThrow('use guest-vhost-start');
    rig.add({ driver: 'vhost-agent', id: 'vhost1', iommu_platform: true });
    const second = rig.machine.findDevice('vhost1');
    expect(rig.remove('vhost1')).toBe('{}');
    expect(second.realized).toBe(false);
  });
});

describe('what tells vhost', () => {
  it('lets a lost notification be seen: behind the invalidation, and when the range is used', () => {
    const rig = new VhostRig(INTEL);
    rig.enable();
    rig.start();
    rig.transfer();
    rig.machine.trace.faults.inject({ point: 'listener', kind: 'lose', device: 'vhost0' });
    rig.events(/./);
    rig.unmap(BUFFERS_IOVA, true, 0x2000n);
    expect(rig.events(/UNMAPPED|VHOST|CHECK/)).toEqual([
      `IOMMU_UNMAPPED 0x${BUFFERS_IOVA.toString(16)}`,
      'mapping-survives-invalidation',
    ]);
    expect(rig.touch(BUFFERS_IOVA, false)).toBe('moved');
    expect(rig.events(/STALE/)).toEqual([`HOST_STALE_TRANSLATION 0x${BUFFERS_IOVA.toString(16)}`]);
  });

  it('has one that fails counted, and told with the unmap', () => {
    const rig = new VhostRig(INTEL);
    rig.enable();
    rig.start();
    rig.machine.trace.faults.inject({ point: 'listener', kind: 'fail', device: 'vhost0', count: 1 });
    rig.unmap(BUFFERS_IOVA, true, 0x2000n);
    const told = rig.model.find(({ name }) => name === 'IOMMU_UNMAPPED');
    expect(told?.data).toMatchObject({ listeners: [{ listener: 'vhost-iotlb', kind: 'vhost', status: 'error' }] });
    expect(rig.machine.notifiers()[0]).toMatchObject({ failed: 1 });
  });

  it('names the operation that changed the tables, and the flush that is missing', () => {
    const rig = new VhostRig(INTEL);
    rig.enable();
    rig.start();
    rig.transfer();
    const { operations } = rig.machine;
    let changed = 0;
    rig.command(() => {
      changed = operations.current;
      rig.driver.unmap({ sourceId: rig.sourceId, iova: BUFFERS_IOVA, size: PAGE, flush: false });
    });
    rig.touch(BUFFERS_IOVA, true);
    const stale = rig.model.find(({ name }) => name === 'HOST_STALE_TRANSLATION');
    expect(stale?.data).toMatchObject({
      device: 'vhost0',
      access: 'write',
      cache: 'device',
      cached: { gpa: BUFFERS, permissions: ['read', 'write'] },
      since: changed,
      missing: { granularity: 'page', address: BUFFERS_IOVA, size: PAGE },
    });
    expect(stale?.data).not.toHaveProperty('current');
  });

  it('is a unit that can refuse, and vhost does not start then', () => {
    const rig = new VhostRig({ ...INTEL, 'snoop-control': 'on' });
    rig.enable();
    const refusal = 'Snoop Control with vhost or VFIO is not supported: Operation not supported';
    rig.start();
    expect(rig.agent.card.failure).toBe(refusal);
    expect(rig.agent.vhost.started).toBe(false);
    expect(rig.machine.notifiers()).toEqual([]);
  });

  it('leaves vhost without anything where it refuses behind a switch', () => {
    const rig = new VhostRig({ ...INTEL, 'snoop-control': 'on' });
    rig.command(() => rig.card.start({ address: RINGS, iova: RINGS, ats: false }));
    expect(rig.touch(BUFFERS, false)).toBe('moved');
    rig.command(() => rig.driver.enable('legacy'));
    rig.map(BUFFERS_IOVA, BUFFERS, PAGE);
    expect(rig.touch(BUFFERS_IOVA, false)).toContain('Snoop Control with vhost');
    expect(rig.agent.vhost.describe().failure).toContain('Snoop Control');
  });
});

describe('vhost with ATS', () => {
  const PORT = { driver: 'pcie-root-port', id: 'port0', chassis: '9', addr: '0x8' };
  const CARD = { ats: 'on', bus: 'port0', addr: '0x0' };

  it('hears of device-IOTLB invalidations in place of unmaps, once software has enabled it', () => {
    const rig = new VhostRig({ ...INTEL, 'device-iotlb': 'on' }, CARD, [PORT]);
    rig.enable();
    rig.start(true);
    expect(rig.machine.notifiers()[0]).toMatchObject({ events: ['deviotlb-unmap'] });
    rig.transfer();
    rig.events(/./);
    rig.unmap(BUFFERS_IOVA, true, 0x2000n);
    expect(rig.agent.vhost.describe().ats).toBe(true);
    const flush = { address: BUFFERS_IOVA, size: 0x2000n };
    const { bus, devfn } = rig.agent;
    rig.machine.operations.run(() => bus.effectiveIommuOps()?.flushDeviceIotlb?.(bus, devfn, flush));
    expect(rig.touch(BUFFERS_IOVA, false)).not.toBe('moved');
  });

  it('takes either kind as software wills', () => {
    const rig = new VhostRig({ ...INTEL, 'device-iotlb': 'on' }, CARD, [PORT]);
    rig.enable();
    rig.start();
    const events = (): unknown => rig.machine.notifiers().map(({ events: asked }) => asked.join());
    expect(events()).toEqual(['unmap', 'unmap']);
    rig.card.start({ address: RINGS, iova: RINGS_IOVA, ats: true });
    expect(events()).toEqual(['deviotlb-unmap', 'deviotlb-unmap']);
    rig.command(() => rig.machine.reset());
    expect(rig.agent.vhost.describe().ats).toBe(false);
  });

  it('leaves vhost without anything where it is enabled later and the unit refuses it', () => {
    const rig = new VhostRig(INTEL, CARD, [PORT]);
    rig.enable();
    rig.start();
    const { agent } = rig;
    let control = 0x100;
    while ((agent.readConfig(control, 2) & 0xffff) !== 0x0f) control = agent.readConfig(control, 4) >>> 20;
    agent.writeConfig(control + 6, 2, 0x8000);
    expect(rig.touch(BUFFERS_IOVA, false)).toMatch(/requires device IOTLB mode/);
    agent.writeConfig(control + 6, 2, 0);
    expect(rig.touch(BUFFERS_IOVA, false)).toBe('moved');
  });

  it('is refused by a unit without device IOTLBs, and by a place without PCI Express', () => {
    const rig = new VhostRig(INTEL, CARD, [PORT]);
    rig.enable();
    rig.start(true);
    expect(rig.agent.card.failure).toMatch(/^device .* requires device IOTLB mode: Operation not supported$/);
    const plain = new VhostRig(INTEL);
    expect(plain.start(true)).toContain('The card has no ATS');
    expect(plain.add({ driver: 'vhost-agent', id: 'v1', ats: true, bus: 'pcie.0' })).toMatch(/hotplugging|ATS/);
  });
});
