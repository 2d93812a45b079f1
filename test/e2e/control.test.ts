/** What a debugger does over the socket: the log, filters, checks, breakpoints, injected faults and batches. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { load } from '../../schema/generator/load.ts';
import type { QmpClient } from '../../clients/typescript/client.ts';
import type { BatchCommand, CommandName } from '../../src/generated/types.ts';
import { InProcessDaemon } from '../support/in-process-daemon.ts';

const { setups } = load();
/** A device with a bound table, whose PASID 1 maps a page; one read has filled the host's caches. */
const SETUPS = ['nic0', 'pasid-table', 'bind', 'dma'];
const PAGE = { device: 'nic0', address: 0x1_0000n, size: 5n, pasid: 1 } as const;
const [HELLO, WORLD] = ['hello', 'world'].map((text) => Buffer.from(text).toString('base64'));

describe('control over the socket', () => {
  let daemon: InProcessDaemon;
  let client: QmpClient;
  const clients: QmpClient[] = [];
  const connect = async (): Promise<QmpClient> => {
    const made = await daemon.client();
    clients.push(made);
    return made;
  };
  const play = async (...names: string[]): Promise<void> => {
    for (const { '->': step } of names.flatMap((name) => setups[name]?.steps ?? [])) {
      if (step === undefined) continue;
      await client.execute(step['execute'] as CommandName, step['arguments'] as never);
    }
  };
  /** Points the page elsewhere without a flush. */
  const remap = (): Promise<void> => play('remap');
  const names = (of = client): string[] => of.events.takeAll().map(({ event }) => event);
  const status = async (): Promise<string> => (await client.execute('query-status')).status;

  beforeEach(async () => {
    daemon = await InProcessDaemon.start();
    client = await connect();
    await play(...SETUPS);
  });
  afterEach(async () => {
    for (const one of clients.splice(0)) one.close();
    await daemon.stop();
  });

  describe('query-event-log', () => {
    it('gives a client that came late what the others were sent, time stamps included', async () => {
      await remap();
      await client.execute('dma-read', PAGE);
      const sent = client.events.takeAll().filter(({ data }) => 'sequence' in data);
      const late = await connect();
      const { events, next, lost } = await late.execute('query-event-log');
      expect(events).toEqual(sent.map(({ timestamp, event, data }) => ({ timestamp, event, data })));
      expect(events.length).toBeGreaterThan(3);
      expect([next, lost]).toEqual([events.length + 1, false]);
      expect(await late.execute('query-event-log', { since: next })).toEqual({ events: [], next, lost: false });
      await client.execute('iommu-unbind-pasid-table', { device: 'nic0' });
      const more = await late.execute('query-event-log', { since: next }, { outOfBand: true });
      expect(more.events.map(({ event }) => event)).toEqual(['IOMMU_PASID_TABLE_UNBOUND']);
    });

    it('goes page by page, and refuses sequences that cannot be', async () => {
      const all = await client.execute('query-event-log');
      const pages = [];
      for (let since = 1; since < all.next; ) {
        const page = await client.execute('query-event-log', { since, limit: 2 });
        pages.push(...page.events);
        since = page.next;
      }
      expect(pages).toEqual(all.events);
      await expect(client.execute('query-event-log', { since: 0 })).rejects.toThrow(
        "Parameter 'since' expects an integer from 1 to 9007199254740991",
      );
    });
  });

  describe('set-event-filter', () => {
    it("filters one client's events by name, the model's and QEMU's alike", async () => {
      const other = await connect();
      await client.execute('set-event-filter', { include: ['IOMMU_*', 'S*'], exclude: ['*_UNBOUND'] });
      names();
      for (const command of ['stop', 'cont'] as const) await client.execute(command);
      await client.execute('iommu-unbind-pasid-table', { device: 'nic0' });
      await play('bind');
      expect(names()).toEqual(['STOP', 'IOMMU_PASID_TABLE_BOUND']);
      await other.execute('query-status');
      expect(names(other)).toEqual(['STOP', 'RESUME', 'IOMMU_PASID_TABLE_UNBOUND', 'IOMMU_PASID_TABLE_BOUND']);
      await client.execute('set-event-filter', {}, { outOfBand: true });
      await client.execute('stop');
      await client.execute('cont');
      expect(names()).toEqual(['STOP', 'RESUME']);
      await client.execute('set-event-filter', { include: [] });
      await client.execute('stop');
      expect(names()).toEqual([]);
    });
  });

  describe('query-checks and set-check', () => {
    const stale = async () => {
      const { checks } = await client.execute('query-checks');
      return checks.find(({ name }) => name === 'stale-translation')!;
    };

    it('count the stale translations that were used, and name the last one', async () => {
      expect(await stale()).toEqual({ name: 'stale-translation', enabled: true, stop: false, violations: 0 });
      await remap();
      expect((await client.execute('dma-read', PAGE)).data).toBe(HELLO);
      await client.execute('dma-read', PAGE);
      await client.events.next('HOST_STALE_TRANSLATION');
      const { data } = await client.events.next('HOST_STALE_TRANSLATION');
      const { violations, last } = await stale();
      expect([violations, last?.sequence, last?.operation]).toEqual([2, data.sequence, data.operation]);
      expect(last?.desc).toContain('0x10000');
    });

    it('turn one off: it says and counts nothing', async () => {
      await client.execute('set-check', { name: 'stale-translation', enabled: false });
      await remap();
      names();
      await client.execute('dma-read', PAGE);
      expect(names()).toEqual([]);
      expect(await stale()).toMatchObject({ enabled: false, violations: 0 });
    });

    it('stop the machine where one fails', async () => {
      await client.execute('set-check', { name: 'stale-translation', stop: true });
      await remap();
      names();
      await client.execute('dma-read', PAGE);
      expect(names()).toEqual(['HOST_STALE_TRANSLATION', 'STOP']);
      expect(await status()).toBe('debug');
      await client.execute('set-check', { name: 'stale-translation', stop: false });
      await client.execute('cont');
      await client.execute('dma-read', PAGE);
      expect(await status()).toBe('running');
    });
  });

  describe('breakpoints', () => {
    it('hold a DMA whose client waits until another client says cont, and queries go on', async () => {
      const other = await connect();
      await client.execute('break-add', { event: 'HOST_STALE_*', device: 'nic0' });
      await remap();
      await client.execute('dma-read', PAGE);
      expect(await status()).toBe('debug');
      const waits = client.execute('dma-read', PAGE);
      await client.execute('query-event-log', {}, { outOfBand: true });
      await other.execute('iommu-flush-iotlb', { device: 'nic0', granularity: 'pasid', pasid: 1 });
      expect((await other.execute('query-breaks')).breaks).toEqual([
        { id: 'break1', event: 'HOST_STALE_*', device: 'nic0' },
      ]);
      await other.execute('cont');
      expect((await waits).data).toBe(WORLD);
      await client.execute('break-remove', { id: 'break1' });
      expect((await client.execute('query-breaks')).breaks).toEqual([]);
    });

    it('do not keep the daemon from ending while a DMA waits', async () => {
      await client.execute('set-check', { name: 'stale-translation', stop: true });
      await remap();
      await client.execute('dma-read', PAGE);
      const waits = client.execute('dma-read', PAGE);
      await Promise.all([expect(waits).rejects.toThrow('the connection was closed'), daemon.stop()]);
    });

    it('refuse devices that are not there', async () => {
      await expect(client.execute('break-add', { event: '*', device: 'nic9' })).rejects.toThrow(
        "Device 'nic9' not found",
      );
      await expect(client.execute('break-remove', { id: 'break1' })).rejects.toThrow("There is no breakpoint 'break1'");
    });
  });

  describe('injected faults', () => {
    it('hit what they were ordered for, once, and are listed with that', async () => {
      const { id } = await client.execute('fault-inject', { point: 'bind', kind: 'fail', device: '01:00.0' });
      const bind = () => client.execute('iommu-bind-pasid-table', { device: 'nic0', address: 0x10_0000n });
      await expect(bind()).rejects.toThrow("Injected fault 'fault1'");
      await expect(bind()).resolves.toMatchObject({ listeners: [{ status: 'ok' }] });
      expect((await client.execute('query-faults-injected')).faults).toEqual([
        { id, point: 'bind', kind: 'fail', after: 0, count: 1, device: 'nic0', hits: 1 },
      ]);
      await client.execute('fault-clear');
      expect((await client.execute('query-faults-injected')).faults).toEqual([]);
    });
  });

  describe('batch', () => {
    it('runs commands in order as one operation, and answers once', async () => {
      names();
      const { results } = await client.execute('batch', {
        commands: [
          { execute: 'iommu-unbind-pasid-table', arguments: { device: 'nic0' } },
          { execute: 'iommu-bind-pasid-table', arguments: { device: 'nic0', address: '0x100000' } },
          { execute: 'query-status' },
        ],
      });
      expect(results).toMatchObject([
        { return: { listeners: [{ status: 'ok' }] } },
        { return: { replaced: false } },
        { return: { status: 'running' } },
      ]);
      const sent = client.events.takeAll();
      expect(sent.map(({ event }) => event)).toEqual(['IOMMU_PASID_TABLE_UNBOUND', 'IOMMU_PASID_TABLE_BOUND']);
      const operations = sent.map(({ data }) => ('operation' in data ? data.operation : null));
      expect(operations[0]).toBe(operations[1]);
    });

    it('ends at the first error; what was done stays done', async () => {
      const { results } = await client.execute('batch', {
        commands: [
          { execute: 'stop' },
          { execute: 'iommu-unbind-pasid-table', arguments: { device: 'nic9' } },
          { execute: 'cont' },
        ],
      });
      expect(results).toEqual([
        { return: {} },
        { error: { class: 'DeviceNotFound', desc: "Device 'nic9' not found" } },
      ]);
      expect(await status()).toBe('paused');
    });

    const refused: [BatchCommand, string][] = [
      [{ execute: 'nope' }, 'The command nope has not been found'],
      [{ execute: 'set-check' }, "Parameter 'name' is missing"],
      [{ execute: 'device_del', arguments: { id: 1 } }, "Invalid parameter type for 'id', expected: string"],
      [{ execute: 'quit' }, 'The command quit cannot be part of a batch, send it by itself'],
      [{ execute: 'batch' }, 'The command batch cannot be part of a batch, send it by itself'],
      [{ execute: 'qmp_capabilities' }, 'The command qmp_capabilities cannot be part of a batch, send it by itself'],
    ];
    it.each(refused)('runs nothing when %o is among them', async (command, sentence) => {
      const batch = client.execute('batch', { commands: [{ execute: 'stop' }, command] });
      await expect(batch).rejects.toThrow(`Command 2 of the batch: ${sentence}`);
      expect(await status()).toBe('running');
    });

    it('waits while one of them waits, and goes on as the same operation', async () => {
      const other = await connect();
      await client.execute('break-add', { event: 'IOMMU_PASID_TABLE_BOUND' });
      names();
      const batch = client.execute('batch', {
        commands: [
          { execute: 'iommu-bind-pasid-table', arguments: { device: 'nic0', address: '0x100000' } },
          { execute: 'dma-read', arguments: { device: 'nic0', address: '0x10000', size: 5, pasid: 1 } },
          { execute: 'iommu-unbind-pasid-table', arguments: { device: 'nic0' } },
          { execute: 'dma-read', arguments: { device: 'nic0', address: '0x10000', size: 5, pasid: 1 } },
          { execute: 'query-status' },
        ],
      });
      const { data: bound } = await client.events.next('IOMMU_PASID_TABLE_BOUND');
      await other.execute('cont');
      const { results } = await batch;
      expect(results).toMatchObject([
        { return: { replaced: true } },
        { return: { data: HELLO } },
        { return: { listeners: [{ status: 'ok' }] } },
        { error: { class: 'GenericError' } },
      ]);
      const { data: unbound } = await client.events.next('IOMMU_PASID_TABLE_UNBOUND');
      expect(unbound.operation).toBe(bound.operation);
    });

    it('with nothing in it does nothing', async () => {
      expect(await client.execute('batch', { commands: [] })).toEqual({ results: [] });
    });

    it('lets DEVICE_DELETED follow its reply', async () => {
      const connection = await daemon.connection();
      const commands = [{ execute: 'device_del', arguments: { id: 'nic0' } }, { execute: 'query-status' }];
      connection.send(
        `{"execute": "qmp_capabilities"}${JSON.stringify({ execute: 'batch', arguments: { commands } })}`,
      );
      await client.events.next('DEVICE_DELETED');
      const lines = connection.received.split('\r\n').filter((line) => /results|DEVICE_DELETED/.test(line));
      expect(lines.map((line) => (line.includes('results') ? 'reply' : 'event'))).toEqual(['reply', 'event']);
    });
  });
});
