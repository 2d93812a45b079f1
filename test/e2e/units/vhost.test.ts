/** vhost behind every unit, over the socket: enable, map, DMA by descriptors, unmap, stale, flush, fault. */
import { afterEach, describe, expect, it } from 'vitest';
import type { QmpClient } from '../../../clients/typescript/client.ts';
import { InProcessDaemon } from '../../support/in-process-daemon.ts';

let daemon: InProcessDaemon | null = null;
afterEach(async () => {
  await daemon?.stop();
  daemon = null;
});

interface Setup {
  readonly options: readonly string[];
  readonly mode: 'legacy' | 'scalable' | 'ecs' | 'other';
  /** First address that the unit translates. */
  readonly base: bigint;
  /** What an unmap without flush is: in the tables and told to nobody, in no table yet, or in force at once. */
  readonly unflushed: 'stale' | 'queued' | 'told';
}

const CARD = ['-device', 'vhost-agent,id=vhost0,iommu_platform=on'];
const SETUPS: Readonly<Record<string, Setup>> = {
  'intel-iommu, legacy mode': { options: ['-m', '64M'], mode: 'legacy', base: 0x4000_0000n, unflushed: 'stale' },
  'intel-iommu, second stage': { options: ['-m', '64M'], mode: 'scalable', base: 0x4000_0000n, unflushed: 'stale' },
  'intel-iommu, first stage': {
    options: ['-m', '64M', '-device', 'intel-iommu,scalable-mode=on,fsts=on,caching-mode=on'],
    mode: 'scalable',
    base: 0x4000_0000n,
    unflushed: 'stale',
  },
  'intel-iommu, extended contexts': {
    options: ['-m', '64M', '-device', 'intel-iommu,ecs=on,caching-mode=on'],
    mode: 'ecs',
    base: 0x4000_0000n,
    unflushed: 'stale',
  },
  // Neither needs a mode for maps: vhost asks for unmaps alone.
  'intel-iommu without caching mode': {
    options: ['-m', '64M', '-device', 'intel-iommu'],
    mode: 'legacy',
    base: 0x4000_0000n,
    unflushed: 'stale',
  },
  'amd-iommu': {
    options: ['-m', '64M', '-device', 'amd-iommu,dma-remap=on'],
    mode: 'other',
    base: 0x4000_0000n,
    unflushed: 'stale',
  },
  'virtio-iommu-pci': {
    options: ['-m', '64M', '-device', 'virtio-iommu-pci'],
    mode: 'other',
    base: 0x4000_0000n,
    unflushed: 'queued',
  },
  'spapr-tce': { options: ['-M', 'pseries', '-m', '64M'], mode: 'other', base: 0x1000_0000n, unflushed: 'told' },
  's390-pci-iommu': {
    options: ['-M', 's390-ccw-virtio', '-m', '64M'],
    mode: 'other',
    base: 0x1_4000_0000n,
    unflushed: 'stale',
  },
};

const RINGS = 0x30_0000n;
const BUFFERS = 0x40_0000n;

class Conversation {
  readonly client: QmpClient;
  readonly base: bigint;

  constructor(client: QmpClient, base: bigint) {
    this.client = client;
    this.base = base;
  }

  /** Where the two buffers are, a page each. */
  get buffers(): bigint {
    return this.base + 0x10_0000n;
  }

  async start(mode: Setup['mode']): Promise<void> {
    await this.client.execute('guest-iommu-enable', { mode });
    await this.map(this.base, RINGS, 0x6000n);
    for (const page of [0n, 0x1000n]) await this.map(this.buffers + page, BUFFERS + page, 0x1000n);
    await this.client.execute('guest-vhost-start', { device: 'vhost0', address: RINGS, iova: this.base });
    await this.client.execute('memory-write', {
      address: BUFFERS + 12n,
      data: Buffer.from('hello').toString('base64'),
    });
    this.told();
  }

  async map(iova: bigint, address: bigint, size: bigint): Promise<void> {
    await this.client.execute('guest-dma-map', { device: 'vhost0', iova, address, size });
  }

  async unmap(iova: bigint, flush: boolean): Promise<void> {
    await this.client.execute('guest-dma-unmap', { device: 'vhost0', iova, size: 0x1000n, flush });
  }

  transfer() {
    return this.client.execute('guest-vhost-transfer', {
      device: 'vhost0',
      out: { iova: this.buffers, size: 17 },
      into: { iova: this.buffers + 0x1000n, size: 64 },
    });
  }

  async received(): Promise<string> {
    const { data } = await this.client.execute('memory-read', { address: BUFFERS + 0x100cn, size: 5n });
    return Buffer.from(data, 'base64').toString();
  }

  told(): string[] {
    return this.client.events
      .takeAll()
      .filter(({ event }) => /^(IOMMU_(FAULT|UN)|VHOST|HOST|MODEL)/.test(event))
      .map(({ event, data }) => {
        const { type, iova, address } = data as Partial<Record<'type' | 'iova' | 'address', string | bigint>>;
        const where = iova ?? address;
        const name = type === undefined ? event : String(type);
        return where === undefined ? name : `${name} 0x${where.toString(16)}`;
      });
  }

  async violations(): Promise<string[]> {
    const { checks } = await this.client.execute('query-checks');
    return checks.filter(({ violations }) => violations > 0).map(({ name }) => name);
  }
}

async function started({ options, mode, base }: Setup): Promise<Conversation> {
  daemon = await InProcessDaemon.start([...options, ...CARD]);
  const conversation = new Conversation(await daemon.client(), base);
  await conversation.start(mode);
  return conversation;
}

const at = (address: bigint): string => `0x${address.toString(16)}`;

describe.each(Object.entries(SETUPS))('vhost behind %s', (_name, setup) => {
  it('moves what the guest maps, keeps what is stale until it is told, and stands still at a fault', async () => {
    const conversation = await started(setup);
    const { client, buffers } = conversation;
    expect(await conversation.transfer()).toEqual({
      transmitted: 1,
      received: [{ iova: buffers + 0x1000n, size: 17 }],
    });
    expect(await conversation.received()).toBe('hello');
    expect(conversation.told().slice(-4)).toEqual([
      `miss ${at(buffers)}`,
      `update ${at(buffers)}`,
      `miss ${at(buffers + 0x1000n)}`,
      `update ${at(buffers + 0x1000n)}`,
    ]);
    const { data = '' } = await client.execute('dma-read', { device: 'vhost0', address: buffers + 0x100cn, size: 5n });
    expect(Buffer.from(data, 'base64').toString()).toBe('hello');
    expect(conversation.told()).toEqual([]);
    expect((await client.execute('query-iommu-notifiers')).notifiers).toContainEqual(
      expect.objectContaining({ device: 'vhost0', listener: 'vhost-iotlb', kind: 'region', events: ['unmap'] }),
    );

    await conversation.unmap(buffers, false);
    if (setup.unflushed === 'told') {
      expect(conversation.told()).toEqual([`IOMMU_UNMAPPED ${at(buffers)}`, `invalidate ${at(buffers)}`]);
    } else if (setup.unflushed === 'queued') {
      expect(await conversation.transfer()).toMatchObject({ transmitted: 1 });
      expect(conversation.told()).toEqual([]);
      expect(await conversation.violations()).toEqual([]);
    } else {
      expect(conversation.told()).toEqual([]);
      const [stale] = (await client.execute('query-vhost')).devices[0]!.ranges.filter((range) => range.stale);
      expect(stale).toMatchObject({ iova: buffers, address: BUFFERS });
      expect(await conversation.transfer()).toMatchObject({ transmitted: 1 });
      expect(conversation.told()).toEqual([`HOST_STALE_TRANSLATION ${at(buffers)}`]);
      expect(await conversation.violations()).toEqual(['stale-translation']);
    }

    await conversation.unmap(buffers + 0x1000n, true);
    expect(conversation.told()).toContainEqual(expect.stringMatching(/^invalidate/));
    const { ranges } = (await client.execute('query-vhost')).devices[0]!;
    expect(ranges.filter(({ iova, stale }) => stale || iova === buffers + 0x1000n)).toEqual(
      setup.unflushed === 'stale' ? ranges.filter(({ iova }) => iova === buffers) : [],
    );
    const halted = await conversation.transfer();
    expect(halted).toMatchObject({ transmitted: 0, received: [] });
    expect(halted.stalled).toMatch(/\S/);
    expect(conversation.told()).toContainEqual(expect.stringMatching(/^IOMMU_FAULT/));
    expect((await client.execute('query-vhost')).devices[0]!.stalled).toBe(halted.stalled);
  });

  it('goes on where it stood still once the address is mapped', async () => {
    const conversation = await started({ ...setup, base: setup.base + 0x100_0000n });
    const { client, buffers } = conversation;
    const into = { iova: buffers + 0x10_0000n, size: 64 };
    const out = { iova: buffers, size: 17 };
    const stalled = await client.execute('guest-vhost-transfer', { device: 'vhost0', out, into });
    expect(stalled.transmitted).toBe(0);
    if (setup.options.includes('s390-ccw-virtio')) {
      // A function in error moves nothing until software has reset that.
      await client.execute('guest-zpci', { instruction: 'mpcifc', device: 'vhost0', operation: 7 } as never);
    }
    await conversation.map(into.iova, BUFFERS + 0x1000n, 0x1000n);
    expect(await client.execute('guest-vhost-transfer', { device: 'vhost0' })).toEqual({
      transmitted: 1,
      received: [{ iova: into.iova, size: 17 }],
    });
    expect(await conversation.received()).toBe('hello');
  });
});
