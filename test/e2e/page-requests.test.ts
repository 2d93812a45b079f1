/** Page requests over the socket: a device that misses pages, and those who answer it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { load } from '../../schema/generator/load.ts';
import type { QmpClient } from '../../clients/typescript/client.ts';
import type { CommandName, PageResponse } from '../../src/generated/types.ts';
import { InProcessDaemon } from '../support/in-process-daemon.ts';

const { setups } = load();
/** PASID 1 of the setup maps 0x10000 to `hello`; the page behind it is missing: this entry would map it. */
const [MAPPED, MISSING, ENTRY] = [0x1_0000n, 0x1_1000n, 0x10_5088n];
const PASID = 1;
const [hello, world] = ['hello', 'world'].map((text) => Buffer.from(text).toString('base64'));

let daemon: InProcessDaemon;
let client: QmpClient;
const clients: QmpClient[] = [];

async function connect(): Promise<QmpClient> {
  const made = await daemon.client();
  clients.push(made);
  return made;
}

async function start(...args: string[]): Promise<void> {
  daemon = await InProcessDaemon.start(args);
  client = await connect();
}

async function play(...names: string[]): Promise<void> {
  for (const { '->': step } of names.flatMap((name) => setups[name]?.steps ?? [])) {
    if (step !== undefined) await client.execute(step['execute'] as CommandName, step['arguments'] as never);
  }
}

async function write(by: QmpClient, address: bigint, ...words: bigint[]): Promise<void> {
  const data = Buffer.from(new BigUint64Array(words).buffer).toString('hex');
  await by.execute('memory-write', { address, data, encoding: 'hex' });
}

/** Maps the missing page to `world`. */
const mapMissing = (by = client): Promise<void> => write(by, ENTRY, 0x20_1007n);

const read = (by: QmpClient, address = MISSING, size = 5n): Promise<{ data?: string | undefined }> =>
  by.execute('dma-read', { device: 'nic0', address, size, pasid: PASID });

const respond = (by: QmpClient, group: number, response: PageResponse = 'success'): Promise<unknown> =>
  by.execute('page-response', { device: 'nic0', group, response }, { outOfBand: true });

const violations = async (): Promise<number | undefined> =>
  (await client.execute('query-checks')).checks.find(({ name }) => name === 'page-response-once')?.violations;

afterEach(async () => {
  for (const one of clients.splice(0)) one.close();
  await daemon.stop();
});

describe('of a table that a command has bound', () => {
  beforeEach(async () => {
    await start();
    await play('pasid-table', 'nic0-pri');
    client.events.takeAll();
  });

  it('hold the client whose DMA it is, until another one answers', async () => {
    const waiting = await connect();
    const reading = read(waiting);
    const { data } = await client.events.next('IOMMU_PAGE_REQUEST');
    expect(data).toMatchObject({ device: 'nic0', pasid: 1, address: MISSING, group: 0, last: true, access: ['read'] });
    await mapMissing();
    await respond(client, 0);
    expect(await reading).toEqual({ data: world });
    expect(await violations()).toBe(0);
  });

  it('can be answered by that client itself, out-of-band', async () => {
    const other = await connect();
    const reading = read(client);
    await other.events.next('IOMMU_PAGE_REQUEST');
    await mapMissing(other);
    await respond(client, 0);
    expect(await reading).toEqual({ data: world });
  });

  it('come in one group for all that a transfer misses, and pages that are there are not asked for', async () => {
    const ordered = await client.execute('dma-write', {
      device: 'nic0',
      address: MAPPED,
      data: Buffer.alloc(0x4000, 7).toString('base64'),
      pasid: PASID,
      wait: false,
    });
    const requests = await Promise.all([0, 1, 2].map(() => client.events.next('IOMMU_PAGE_REQUEST')));
    expect(requests.map(({ data: { address, group, last, access } }) => [address, group, last, access])).toEqual([
      [MISSING, 0, false, ['write']],
      [MISSING + 0x1000n, 0, false, ['write']],
      [MISSING + 0x2000n, 0, true, ['write']],
    ]);
    await write(client, ENTRY, 0x20_1007n, 0x20_2007n, 0x20_3007n);
    await respond(client, 0);
    const { data } = await client.events.next('DMA_COMPLETED');
    expect(data).toMatchObject({ dma: ordered.dma, status: 'ok' });
    const { data: last } = await client.execute('memory-read', { address: 0x20_3fffn, size: 1n, encoding: 'hex' });
    expect(last).toBe('07');
  });

  it.each(['invalid', 'failure'] as const)('fail the DMA when the answer is %s', async (response) => {
    const other = await connect();
    const reading = read(other);
    await client.events.next('IOMMU_PAGE_REQUEST');
    await respond(client, 0, response);
    await expect(reading).rejects.toThrow(
      `DMA read of 5 bytes at 0x11000 by device 'nic0' failed at 0x11000 after 0 bytes: The page request for 0x11000 with PASID 1 was answered with '${response}'`,
    );
  });

  it('drop what was cached of the page: a right that was added is found', async () => {
    await write(client, ENTRY - 8n, 0x20_0005n);
    expect(await read(client, MAPPED)).toEqual({ data: hello });
    const writing = (await connect()).execute('dma-write', {
      device: 'nic0',
      address: MAPPED,
      data: world!,
      pasid: PASID,
    });
    await client.events.next('IOMMU_PAGE_REQUEST');
    await write(client, ENTRY - 8n, 0x20_0007n);
    await respond(client, 0);
    expect(await writing).toEqual({});
  });

  it('come from a function that keeps translations, too: what it has kept it does not ask for', async () => {
    await client.execute('device_add', { driver: 'vfio-pci', id: 'nic1', host: '0000:5e:00.0', pri: 'on', ats: 'on' });
    await client.execute('iommu-bind-pasid-table', { device: 'nic1', address: 0x10_0000n });
    const transfer = { device: 'nic1', address: MAPPED, pasid: PASID } as const;
    expect(await client.execute('dma-read', { ...transfer, size: 5n })).toEqual({ data: hello });
    await write(client, ENTRY - 8n, 0n);
    const reading = (await connect()).execute('dma-read', { ...transfer, size: 0x1001n });
    const { data } = await client.events.next('IOMMU_PAGE_REQUEST');
    expect(data).toMatchObject({ device: 'nic1', address: MISSING, last: true });
    expect(client.events.takeAll().map(({ event }) => event)).toContain('HOST_STALE_TRANSLATION');
    await mapMissing();
    await client.execute('page-response', { device: 'nic1', group: 0, response: 'success' });
    expect(
      Buffer.from((await reading).data ?? '', 'base64')
        .subarray(0x1000)
        .toString(),
    ).toBe('w');
  });

  it('refuse answers to what nobody asked, and blame a second answer', async () => {
    await client.execute('device_add', { driver: 'edu', id: 'edu0' });
    const answer = (device: string, group: number, pasid?: number): Promise<unknown> =>
      client.execute('page-response', { device, group, response: 'success', ...(pasid !== undefined && { pasid }) });
    await expect(answer('nic0', 0)).rejects.toThrow("Device 'nic0' has no open page request group 0: none is");
    await expect(answer('edu0', 0)).rejects.toThrow("Device 'edu0' makes no page requests");
    await expect(answer('nic7', 0)).rejects.toThrow("Device 'nic7' not found");
    const other = await connect();
    const reading = read(other).catch(() => 'failed');
    await client.events.next('IOMMU_PAGE_REQUEST');
    await expect(answer('nic0', 1)).rejects.toThrow('no open page request group 1: open are 0');
    await expect(answer('nic0', 0, 2)).rejects.toThrow('no open page request group 0 with PASID 2: open are 0');
    await respond(client, 0, 'invalid');
    expect(await reading).toBe('failed');
    expect(await violations()).toBe(0);
    await expect(answer('nic0', 0)).rejects.toThrow(
      "Page request group 0 of device 'nic0' was answered already, with 'invalid': each group takes one response",
    );
    const { data } = await client.events.next('MODEL_CHECK_FAILED');
    expect(data).toMatchObject({ check: 'page-response-once', device: 'nic0' });
    expect(await violations()).toBe(1);
  });

  it('end with the device, which never got its answer', async () => {
    const waiting = await connect();
    const reading = read(waiting);
    await client.events.next('IOMMU_PAGE_REQUEST');
    await client.execute('device_del', { id: 'nic0' });
    await expect(reading).rejects.toThrow("after 0 bytes: Device 'nic0' was unplugged");
    await expect(respond(client, 0)).rejects.toThrow("Device 'nic0' not found");
    const { data } = await client.events.next('MODEL_CHECK_FAILED');
    expect(data.desc).toBe(
      "Page request group 0 of device 'nic0', for 0x11000 with PASID 1, got no response before the device was removed",
    );
    await play('nic0-pri');
    const again = read(waiting);
    expect((await client.events.next('IOMMU_PAGE_REQUEST')).data).toMatchObject({ group: 0 });
    await respond(client, 0, 'failure');
    await expect(again).rejects.toThrow("answered with 'failure'");
  });

  it('end with the binding', async () => {
    const reading = read(await connect());
    await client.events.next('IOMMU_PAGE_REQUEST');
    await client.execute('iommu-unbind-pasid-table', { device: 'nic0' });
    await expect(reading).rejects.toThrow(/page request for 0x11000 with PASID 1 was never answered: .*unbound/);
    expect(await violations()).toBe(1);
  });

  it('end at a reset of the machine, where nobody is to blame', async () => {
    const reading = read(await connect());
    await client.events.next('IOMMU_PAGE_REQUEST');
    await client.execute('system_reset');
    await expect(reading).rejects.toThrow('The machine was reset');
    await expect(respond(client, 0)).rejects.toThrow('none is');
    expect(await violations()).toBe(0);
  });

  it('do not keep the daemon from ending', async () => {
    const waiting = await connect();
    const reading = read(waiting).catch((error: unknown) => String(error));
    await client.events.next('IOMMU_PAGE_REQUEST');
    await client.execute('quit');
    expect(await daemon.stop()).toBe(0);
    expect(await reading).toMatch(/closed/);
  });
});

describe('a function that does not ask', () => {
  it.each([
    ['auto', [], '0000:3b:00.0'],
    ['off', [], '0000:3b:00.0'],
    ['auto', ['-object', 'host-function,id=f0,bdf=0000:77:00.0,group=9,pri=off'], '0000:77:00.0'],
  ])('with pri=%s %s meets a fault', async (pri, args, host) => {
    await start(...args);
    await play('pasid-table');
    await client.execute('device_add', { driver: 'vfio-pci', id: 'nic0', host, pri });
    await play('bind');
    await expect(read(client)).rejects.toThrow('(reason 0x71)');
    expect(client.events.takeAll().map(({ event }) => event)).not.toContain('IOMMU_PAGE_REQUEST');
  });

  it('cannot be told to: pri=on takes a function and a host that can', async () => {
    await start('-object', 'host-iommu,id=host0,page-requests=off');
    await expect(
      client.execute('device_add', { driver: 'vfio-pci', id: 'nic0', host: '0000:3b:00.0', pri: 'on' }),
    ).rejects.toThrow("Property 'vfio-pci.pri' cannot be 'on': host function 0000:3b:00.0 makes no page requests here");
    expect(client.events.takeAll()).toEqual([]);
    await play('nic0');
  });
});

const SVM = 'intel-iommu,scalable-mode=on,caching-mode=on,pasid-bits=20,fsts=on,device-iotlb=on';
const REGISTERS = 0xfed9_0000n;

describe.each([
  ['pasid-table', [], {}],
  ['iommufd', ['-object', 'iommufd,id=fd0'], { iommufd: 'fd0' }],
] as const)('of a table that the guest has bound, contract %s', (contract, objects, values) => {
  async function word(address: bigint): Promise<bigint> {
    const { data } = await client.execute('memory-read', { address, size: 8n, encoding: 'hex' });
    return Buffer.from(data, 'hex').readBigUInt64LE();
  }

  /** Number of the bus that the device, function 0 of slot 0, sits on. */
  async function busNumber(): Promise<bigint> {
    const { iommus } = await client.execute('query-iommus');
    const found = iommus.flatMap(({ devices }) => devices).find(({ device }) => device === 'nic0');
    return BigInt(parseInt(found!.bdf.slice(5, 7), 16));
  }

  /** A page group response descriptor, the way a guest gives it. */
  async function answer(group: number, code: bigint): Promise<void> {
    const [queue, tail] = [await word(REGISTERS + 0x90n), await word(REGISTERS + 0x88n)];
    const source = (await busNumber()) << 8n;
    const low = 9n | (1n << 4n) | (code << 12n) | (source << 16n) | (BigInt(PASID) << 32n);
    await write(client, (queue & ~0xfffn) + tail, low, BigInt(group) << 3n, 0n, 0n);
    await write(client, REGISTERS + 0x88n, tail + 32n);
  }

  async function guest(svm = 'on'): Promise<void> {
    await start('-device', `${SVM},svm=${svm}`, ...objects);
    await play('pasid-table');
    await client.execute('device_add', { driver: 'vfio-pci', id: 'nic0', host: '0000:3b:00.0', pri: 'on', ...values });
    await client.execute('guest-iommu-enable', { mode: 'scalable' });
    await client.execute('guest-svm-bind', { device: 'nic0', pasid: PASID, 'page-table': 0x10_2000n });
    expect(await read(client, MAPPED)).toEqual({ data: hello });
    client.events.takeAll();
  }

  it("lie in the guest's queue, and the guest's descriptor answers", async () => {
    await guest();
    const reading = read(await connect());
    const { data } = await client.events.next('IOMMU_PAGE_REQUEST');
    expect(data).toMatchObject({ device: 'nic0', pasid: PASID, address: MISSING, group: 0, last: true });
    expect(await word(REGISTERS + 0xc8n)).toBe(32n);
    const queue = (await word(REGISTERS + 0xd0n)) & ~0xfffn;
    expect([(await word(queue)) & 0xffn, await word(queue + 8n)]).toEqual([1n, MISSING | 5n]);
    await mapMissing();
    await answer(0, 0n);
    expect(await reading).toEqual({ data: world });
    expect(await violations()).toBe(0);
  });

  it("take a command's answer as well; the guest's is the second then", async () => {
    await guest();
    const reading = read(await connect());
    await client.events.next('IOMMU_PAGE_REQUEST');
    await mapMissing();
    await respond(client, 0);
    expect(await reading).toEqual({ data: world });
    await answer(0, 15n);
    const { data } = await client.events.next('MODEL_CHECK_FAILED');
    expect(data.desc).toContain("answered with 'success', and now with 'failure'");
  });

  it('wait while the queue is full, until the guest has cleared the overflow', async () => {
    await guest();
    const ordered = await connect();
    // Head right behind the tail: no room.
    await write(client, REGISTERS + 0xc0n, 32n);
    const reading = read(ordered);
    await expect.poll(async () => Number((await word(REGISTERS + 0xd8n)) >> 32n)).toBe(2);
    await mapMissing();
    expect(client.events.takeAll().map(({ event }) => event)).not.toContain('IOMMU_PAGE_REQUEST');
    await write(client, REGISTERS + 0xc0n, 0n);
    await client.execute('memory-write', { address: REGISTERS + 0xdcn, data: '02000000', encoding: 'hex' });
    expect(await reading).toEqual({ data: world });
  });

  it('are refused where the unit offers none', async () => {
    await guest('off');
    await expect(read(client)).rejects.toThrow(/reason 0x71\); its page request was refused/);
  });

  /** Sets or clears PRE in the device's context entry. */
  async function enableInContext(on: boolean): Promise<void> {
    const root = (await word(REGISTERS + 0x20n)) & ~0xfffn;
    const contexts = (await word(root + 16n * (await busNumber()))) & ~0xfffn;
    await write(client, contexts, ((await word(contexts)) & ~0x10n) | (on ? 0x10n : 0n));
  }

  it('are refused while the context entry does not enable them', async () => {
    await guest();
    await enableInContext(false);
    await expect(read(client)).rejects.toThrow(/its page request was refused/);
    const { data } = await client.events.next('IOMMU_FAULT');
    expect(data).toMatchObject({ device: 'nic0', code: 0x47, reason: 'page-requests-disabled' });
  });

  it('need a fault queue from the start with contract iommufd: PRE when the PASID was attached', async () => {
    await guest();
    await enableInContext(false);
    await client.execute('guest-svm-bind', { device: 'nic0', pasid: 2, 'page-table': 0x10_2000n });
    await enableInContext(true);
    const other = await connect();
    const reading = other.execute('dma-read', { device: 'nic0', address: MISSING, size: 5n, pasid: 2 });
    if (contract === 'pasid-table') {
      const { data } = await client.events.next('IOMMU_PAGE_REQUEST');
      expect(data).toMatchObject({ pasid: 2 });
      await mapMissing();
      await respond(client, 0);
      expect(await reading).toEqual({ data: world });
    } else {
      await expect(reading).rejects.toThrow(/its page request was refused/);
      expect(client.events.takeAll().map(({ event }) => event)).not.toContain('IOMMU_FAULT');
    }
  });
});
